//! nginx, HAProxy, Caddy, Envoy and Traefik in front of an API, asking Doorward: with the very
//! configuration that `docs/beside-other-proxies.md` has to paste.

mod house;

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{find, find_at, skipped},
    services::clients,
};
use house::{House, ROUTES, field};

#[test]
fn gwy_015_nginx_asks_with_the_page_of_the_docs() {
    let Some(nginx) = find("nginx") else { return };
    let house = House::before("nginx", |folder, _, mended| {
        with_pages(&nginx, folder, &mended("nginx"))
    });
    house.is_sound(403);
    let log = fs::read_to_string(house.place.path().join("error.log")).unwrap();
    assert!(!log.contains("[warn]") && !log.contains("[emerg]"), "{log}");
    house.ends_with_doorward(500);
}

/// nginx with the page's `servers`.
fn with_pages(nginx: &Path, folder: &Path, servers: &str) -> Command {
    let pages = format!(
        "daemon off; pid {0}/pid; error_log {0}/error.log;\nevents {{}}\nhttp {{\n\
         access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n\
         fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n{servers}}}\n",
        folder.display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, pages).unwrap();
    let mut command = Command::new(nginx);
    command.arg("-e").arg(folder.join("start.log"));
    command.arg("-c").arg(file);
    command
}

/// With the two lines of the page on internal tokens: the API gets those and never
/// a caller's own, also where there is none.
#[test]
fn gwy_015_nginx_hands_on_internal_tokens_and_no_others() {
    let Some(nginx) = find("nginx") else { return };
    let asking = "allow = \"orders:read\"\ninternal_token = \"orders-internal\"";
    let routes = ROUTES.replacen("allow = \"orders:read\"", asking, 1);
    let house = House::with("nginx", &routes, |folder, _, mended| {
        let page = include_str!("../../../../docs/internal-tokens.md");
        let (_, lines) = page.split_once("```nginx\n").unwrap();
        let (keeping, setting) = lines.split_once('\n').unwrap();
        let setting = setting.lines().next().unwrap();
        let page = mended("nginx")
            .replace(
                "    auth_request /doorward;",
                &format!("    auth_request /doorward;\n{keeping}"),
            )
            .replace("        proxy_set_header Authorization \"\";", setting);
        assert!(page.contains(keeping) && page.contains(setting), "{page}");
        assert!(!page.contains("Authorization \"\""), "{page}");
        with_pages(&nginx, folder, &page)
    });
    let reader = house.token("reader");
    for (target, has_one) in [
        ("/orders/7", true),
        ("/tenants/acme/orders", false),
        ("/files/a", false),
    ] {
        let before = house.api.count();
        let answer = house.call("GET", target, Some(&reader), &[]);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        let head = &house.api.heads()[before];
        assert!(!head.contains(&reader), "{head}");
        let handed_on = field(head, "authorization");
        assert_eq!(handed_on.is_some(), has_one, "{head}");
    }
}

#[test]
fn gwy_015_haproxy_asks_with_the_page_of_the_docs() {
    let Some(haproxy) = find("haproxy") else {
        return;
    };
    let house = House::before("haproxy", |folder, _, mended| {
        fs::write(folder.join("doorward.lua"), mended("lua")).unwrap();
        let file = folder.join("haproxy.cfg");
        fs::write(&file, mended("haproxy")).unwrap();
        let mut command = Command::new(haproxy);
        command.arg("-db").arg("-f").arg(file);
        command
    });
    house.is_sound(404);
    house.ends_with_doorward(503);
}

#[test]
fn gwy_015_caddy_asks_with_the_page_of_the_docs() {
    let Some(caddy) = find("caddy") else { return };
    let house = House::before("caddy", |folder, _, mended| {
        let page = format!("{{\n\tadmin off\n\tauto_https off\n}}\n{}", mended("caddy"));
        let file = folder.join("Caddyfile");
        fs::write(&file, page).unwrap();
        let mut command = Command::new(caddy);
        command.env("HOME", folder);
        command.args(["run", "--adapter", "caddyfile", "--config"]);
        command.arg(file);
        command
    });
    house.is_sound(404);
    house.ends_with_doorward(502);
}

#[test]
fn gwy_015_envoy_asks_with_the_page_of_the_docs() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return skipped("Envoy, which is packed for another kind of machine,");
    }
    let Some(envoy) = find_at(clients().join("envoy/envoy/_bin/envoy")) else {
        return;
    };
    let house = House::before("envoy", |folder, address, mended| {
        let port = format!("port_value: {}", address.port());
        let page = mended("yaml")
            .replace("address: 0.0.0.0", "address: 127.0.0.1")
            .replace("port_value: 8080", &port);
        let file = folder.join("envoy.yaml");
        fs::write(&file, page).unwrap();
        let mut command = Command::new(envoy);
        command.args(["--concurrency", "1", "--disable-hot-restart", "-c"]);
        command.arg(file);
        command
    });
    house.is_sound(404);
    house.ends_with_doorward(403);
}

#[test]
fn gwy_015_traefik_asks_with_the_page_of_the_docs() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return skipped("Traefik, which is packed for another kind of machine,");
    }
    let Some(traefik) = find_at(clients().join("traefik/bin/traefik")) else {
        return;
    };
    let house = House::before("traefik", |folder, address, mended| {
        let file = folder.join("doorward.yml");
        fs::write(&file, mended("yml")).unwrap();
        let mut command = Command::new(traefik);
        command.args(["--global.checkNewVersion=false", "--log.level=ERROR"]);
        command.args([
            "--global.sendAnonymousUsage=false",
            "--providers.file.watch=false",
        ]);
        command.arg(format!("--entryPoints.web.address={address}"));
        command.arg(format!("--providers.file.filename={}", file.display()));
        command
    });
    // It listens before it has read the file.
    let patience = Instant::now() + Duration::from_secs(20);
    while house.call("GET", "/orders/7", None, &[]).status == 404 {
        assert!(Instant::now() < patience, "it has no routes");
        thread::yield_now();
    }
    house.is_sound(404);
    house.ends_with_doorward(500);
}
