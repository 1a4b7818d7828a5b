//! The demo: a small orders API, unprotected on purpose, and three people who
//! call it through the gateway.
//!
//! The API knows nothing of tokens. It answers whoever reaches it and writes
//! down who did, so that one can see that a denied request never arrived.

mod people;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path as Segment, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) use people::people;

/// The configuration that goes with the API: its roles and routes.
pub(crate) const CONFIG: &str = include_str!("config/demo.toml");

#[derive(Clone, Debug, Serialize)]
struct Order {
    id: u64,
    item: String,
    quantity: u64,
}

struct Shop {
    orders: Mutex<BTreeMap<u64, Order>>,
    log: Mutex<File>,
}

/// The running API.
pub(crate) struct DemoApi {
    pub(crate) address: SocketAddr,
}

impl DemoApi {
    /// Serves it on a free loopback port and appends what reaches it to `log`.
    pub(crate) async fn start(log: &Path) -> io::Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(log)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shop = Arc::new(Shop {
            orders: Mutex::new(first_orders()),
            log: Mutex::new(log),
        });
        tokio::spawn(async move { axum::serve(listener, router(shop)).await });
        Ok(Self { address })
    }
}

fn first_orders() -> BTreeMap<u64, Order> {
    let items = [(7, "door", 1), (8, "lock", 2), (9, "key", 12)];
    let order = |(id, item, quantity): (u64, &str, u64)| {
        let item = item.to_owned();
        (id, Order { id, item, quantity })
    };
    items.into_iter().map(order).collect()
}

fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(one).delete(remove))
        .route("/tenants/{tenant}/report", get(report))
        .layer(middleware::from_fn_with_state(Arc::clone(&shop), log))
        .with_state(shop)
}

async fn log(State(shop): State<Arc<Shop>>, request: Request, next: Next) -> Response {
    let subject = header(request.headers(), "x-doorward-subject");
    let entry = format!("{} {} {subject}\n", request.method(), request.uri().path());
    {
        let mut log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        // A demo that cannot write its log still answers.
        let _ = log.write_all(entry.as_bytes());
    }
    next.run(request).await
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("-")
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn list(State(shop): State<Arc<Shop>>) -> Json<Value> {
    let orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({ "orders": orders.values().collect::<Vec<_>>() }))
}

async fn one(
    State(shop): State<Arc<Shop>>,
    Segment(id): Segment<u64>,
) -> Result<Json<Order>, StatusCode> {
    let orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    orders
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn create(
    State(shop): State<Arc<Shop>>,
    Json(order): Json<Value>,
) -> Result<(StatusCode, Json<Order>), StatusCode> {
    let item = order["item"]
        .as_str()
        .ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let quantity = order["quantity"].as_u64().unwrap_or(1);
    let mut orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    if orders.len() >= 1_000 {
        return Err(StatusCode::INSUFFICIENT_STORAGE);
    }
    let id = orders.keys().next_back().map_or(1, |last| last + 1);
    let order = Order {
        id,
        item: item.to_owned(),
        quantity,
    };
    orders.insert(id, order.clone());
    Ok((StatusCode::CREATED, Json(order)))
}

async fn remove(State(shop): State<Arc<Shop>>, Segment(id): Segment<u64>) -> StatusCode {
    let mut orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    match orders.remove(&id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn report(State(shop): State<Arc<Shop>>, Segment(tenant): Segment<String>) -> Json<Value> {
    let orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    let sold: u64 = orders.values().map(|order| order.quantity).sum();
    Json(json!({ "tenant": tenant, "orders": orders.len(), "items": sold }))
}
