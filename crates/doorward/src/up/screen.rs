//! The first screen: what is running, and three lines to paste.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use doorward_gateway::forward_auth;
use doorward_policy::route::{Requirement, RouteTable};
use doorward_verify::{jose::verifying_key::VerifyingKey, key_source::KeySource};
use http::Uri;
use serde_json::json;

use super::{Role, Settings, Upstream, internal_tokens::JWKS_PATH};
use crate::{
    cli::{DEFAULT_ADMIN_LISTEN, DEFAULT_LISTEN},
    data_folder::{DemoUsers, LastUp},
    invocation, output,
    paint::{Tone, paint},
};

/// Everything that the screen shows.
pub(super) struct Screen<'a> {
    pub(super) settings: &'a Settings,
    pub(super) last_up: &'a LastUp,
    pub(super) upstream: &'a Uri,
    /// Where another proxy asks, if one may.
    pub(super) forward_auth: Option<SocketAddr>,
    /// `iss` of internal tokens, if any are made.
    pub(super) internal: Option<String>,
    /// Of the issuer, as far as they are known.
    pub(super) keys: &'a KeySource,
    pub(super) routes: &'a RouteTable,
    /// The people of the demo, when they were just made.
    pub(super) new_people: Option<&'a DemoUsers>,
}

impl Screen<'_> {
    pub(super) fn show(&self) {
        if self.settings.json {
            let mut line = json!({
                "gateway": self.last_up.gateway,
                "admin": self.last_up.admin,
                "issuer": self.last_up.issuer,
                "data": self.settings.folder.path(),
                "routes": self.routes.routes().len(),
            });
            if let Some(address) = self.forward_auth {
                line["forward_auth"] = self.asked_at(address).into();
            }
            output::json_line(&line);
            return;
        }
        output::data(self.text());
    }

    fn asked_at(&self, address: SocketAddr) -> String {
        format!("http://{address}{}", forward_auth::PATH)
    }

    fn text(&self) -> String {
        let mode = if self.settings.production {
            "production"
        } else {
            "development mode"
        };
        let mut out = format!(
            "\n  {}   {}   {}\n\n",
            paint(
                Tone::Strong,
                concat!("Doorward ", env!("CARGO_PKG_VERSION"))
            ),
            paint(Tone::Quiet, mode),
            paint(
                Tone::Quiet,
                format!("data {}", self.settings.folder.path().display())
            ),
        );
        self.ready(&mut out);
        self.addresses(&mut out);
        if matches!(self.settings.upstream, Upstream::Demo) {
            self.people(&mut out);
            self.three_lines(&mut out);
        }
        out.push_str("  Every request appears below. Ctrl-C ends.\n");
        out
    }

    /// Key, routes and upstream.
    fn ready(&self, out: &mut String) {
        let tick = paint(Tone::Good, "✓");
        let keys = self.keys.current();
        let key = |key: &VerifyingKey| {
            format!(
                "{}  kid {}",
                key.algorithm(),
                key.key_id().unwrap_or_default()
            )
        };
        let key = keys.iter().map(key).collect::<Vec<_>>().join(", ");
        if let Role::Gateway { issuer } = &self.settings.role {
            let _ = writeln!(out, "  {tick} issuer        {issuer}");
        } else {
            let _ = writeln!(out, "  {tick} signing key   {key}");
        }
        if self.settings.role == Role::Issuer {
            let feed = format!("{}/revocations", self.last_up.issuer);
            let _ = writeln!(out, "  {tick} revocations   {feed}\n");
            return;
        }
        let routes = self.routes.routes();
        let public =
            |route: &&doorward_policy::route::Route| *route.requirement() == Requirement::Public;
        let open = routes.iter().filter(public).count();
        let place = self.settings.config_file.as_deref().map(Path::display);
        match place {
            Some(file) if routes.is_empty() => {
                let _ = writeln!(
                    out,
                    "  {} routes        none in {file}, so everything is closed; add some, they \
                     count on save",
                    paint(Tone::Warn, "!")
                );
            }
            Some(file) => {
                let _ = writeln!(
                    out,
                    "  {tick} routes        {} in {file}: {open} public, {} protected",
                    routes.len(),
                    routes.len() - open
                );
            }
            None => {
                let _ = writeln!(
                    out,
                    "  {} routes        none, so everything is closed; `doorward init` writes a \
                     doorward.toml to open some",
                    paint(Tone::Warn, "!")
                );
            }
        }
        let upstream = plain(self.upstream);
        let upstream = match self.settings.upstream {
            Upstream::Demo => format!("sample orders API at {upstream}"),
            Upstream::Api(_) => upstream,
            Upstream::Nothing => "none: requests are judged, and forwarded by another".to_owned(),
        };
        let _ = writeln!(out, "  {tick} upstream      {upstream}");
        let asking = self.settings.config.forward_auth.as_ref();
        if let (Some(asking), Some(address)) = (asking, self.forward_auth) {
            let (proxy, at) = (asking.proxy.name(), self.asked_at(address));
            let _ = writeln!(out, "  {tick} forward-auth  {proxy} may ask at {at}");
        }
        if let Some(internal) = &self.internal {
            let keys = format!("{}{}", self.last_up.gateway, JWKS_PATH);
            let _ = writeln!(out, "  {tick} its tokens    of {internal}, keys at {keys}");
        }
        if let Some(tracing) = &self.settings.config.tracing {
            let _ = writeln!(out, "  {tick} traces        to {}", tracing.endpoint);
        }
        out.push('\n');
    }

    fn addresses(&self, out: &mut String) {
        let quiet = |text| paint(Tone::Quiet, text);
        let gateway = paint(Tone::Strong, &self.last_up.gateway);
        let (name, what) = match self.settings.role {
            Role::Issuer => ("Issuer ", "sign-in, keys and revocations"),
            Role::All if !self.settings.forwards() => {
                ("Issuer ", "sign-in and keys; no API is behind it")
            }
            _ => ("Gateway", "your API, now protected"),
        };
        let _ = writeln!(out, "  {name}   {gateway}   {}", quiet(what));
        let admin = &self.last_up.admin;
        let _ = writeln!(
            out,
            "  Admin     {admin}   {}\n",
            quiet("health and decisions, for this machine")
        );
    }

    fn people(&self, out: &mut String) {
        let file = self.settings.folder.demo_users();
        let file = file.display();
        let Some(people) = self.new_people else {
            let _ = writeln!(out, "  Users     as before; passwords in {file}\n");
            return;
        };
        for (index, user) in people.users.iter().enumerate() {
            let title = if index == 0 { "Users" } else { "" };
            let _ = writeln!(
                out,
                "  {title:<9} {:<9} tenant {:<8} role {:<8} password {}",
                user.username,
                user.tenant,
                user.roles.join(", "),
                user.password
            );
        }
        let _ = writeln!(
            out,
            "            {}\n",
            paint(Tone::Quiet, format!("shown once; kept in {file}"))
        );
    }

    fn three_lines(&self, out: &mut String) {
        let doorward = invocation::command(self.settings.folder.path());
        let gateway = &self.last_up.gateway;
        let lines = [
            ("401, no token", format!("curl -i {gateway}/orders")),
            (
                "200, a reader may read",
                format!("{doorward} curl --as reader /orders"),
            ),
            (
                "403, a reader may not delete",
                format!("{doorward} curl --as reader -X DELETE /orders/7"),
            ),
        ];
        let _ = writeln!(out, "  Try it in another terminal:\n");
        for (result, line) in lines {
            let _ = writeln!(out, "    {}\n    {line}\n", paint(Tone::Quiet, result));
        }
        let _ = writeln!(
            out,
            "    {}\n    {doorward} explain last\n",
            paint(Tone::Quiet, "why the last request ended as it did")
        );
    }
}

/// An origin without the slash that `Uri` adds.
fn plain(uri: &Uri) -> String {
    uri.to_string().trim_end_matches('/').to_owned()
}

/// Where the data is and how to go on.
pub(super) fn farewell(settings: &Settings) -> String {
    let data = settings.folder.path().display();
    let command = invocation::command(settings.folder.path());
    let mut again = match &settings.role {
        Role::All => format!("{command} up"),
        Role::Issuer => format!("{command} serve issuer"),
        Role::Gateway { issuer } => format!("{command} serve gateway --issuer {issuer}"),
    };
    match &settings.upstream {
        Upstream::Nothing => {}
        Upstream::Demo => again.push_str(" --demo"),
        Upstream::Api(url) => {
            let _ = write!(again, " --upstream {}", plain(url));
        }
    }
    // The same addresses, or the issuer has another name and its tokens die.
    for (flag, address, default) in [
        ("--listen", settings.listen, DEFAULT_LISTEN),
        (
            "--admin-listen",
            settings.admin_listen,
            DEFAULT_ADMIN_LISTEN,
        ),
    ] {
        if address.port() != 0 && address.to_string() != default {
            let _ = write!(again, " {flag} {address}");
        }
    }
    if let (Upstream::Api(_) | Upstream::Nothing, Some(file)) =
        (&settings.upstream, &settings.config_file)
    {
        let _ = write!(again, " --config {}", invocation::shell_word(file));
    }
    format!("  stopped; everything is kept in {data}\n  go on with: {again}")
}
