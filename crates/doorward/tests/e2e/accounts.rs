//! A forgotten password: the operator's command, and the user's part over HTTP.

use serde_json::json;

use crate::harness::Server;

#[test]
fn iss_022_an_operators_token_sets_a_password_once() {
    let server = Server::demo();
    let made = server.command(&["user", "reset", "reader"]);
    assert!(made.status.success(), "{made:?}");
    let told = String::from_utf8(made.stderr).unwrap();
    assert!(told.contains("once, within 15 minutes"), "{told}");
    let token = String::from_utf8(made.stdout).unwrap();
    let body = json!({
        "reset_token": token.trim(),
        "new_password": "seven slow herons at noon",
    });
    let used = server.post("/auth/password/reset", &body, None);
    assert_eq!(used.status, 204);
    let again = server.post("/auth/password/reset", &body, None);
    assert_eq!(again.status, 400);
    let body = json!({ "username": "reader", "password": "seven slow herons at noon" });
    assert_eq!(server.post("/auth/sign-in", &body, None).status, 200);

    let nobody = server.command(&["user", "reset", "nobody"]);
    assert_eq!(nobody.status.code(), Some(2));
    let none = server.command(&["user", "reset-second-factor", "reader"]);
    assert!(none.status.success(), "{none:?}");
}
