//! `[forward_auth]`: which other proxy may ask, from where, and at which
//! address.

use doorward_gateway::forward_auth::{ForwardAuth, Proxy};
use toml::de::DeTable;

use super::{
    callers::networks,
    document::Reader,
    problem::Fault,
    settings::{listen, refuse, value},
    suggest,
};

const SHAPE: &str = "write `[forward_auth]`, and `listen`, `proxy` and `from` in the lines below";

/// Who may ask; `None` also where the section is not whole.
pub(super) fn forward_auth(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<ForwardAuth> {
    let written = table.get("forward_auth")?;
    let section = reader.table(written, "forward_auth", SHAPE)?;
    let keys = ["listen", "proxy", "from"];
    reader.unknown_keys(section, "[forward_auth]", &keys);
    for key in keys {
        if section.get(key).is_none() {
            let missing = Fault::at(written.span(), format!("[forward_auth] lacks `{key}`"));
            reader.fault(missing.help(SHAPE));
        }
    }
    let proxy = value(reader, section, "proxy", "nginx", |text| {
        if let Some((_, proxy)) = Proxy::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(*proxy);
        }
        let names = Proxy::ALL.map(|(name, _)| name);
        let help = match suggest(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write nginx, haproxy, traefik, caddy or envoy".to_owned(),
        };
        refuse(format!("`{text}` is not a proxy that can ask here"), help)
    });
    let listen = listen(reader, section, "listen");
    let from = networks(reader, section, "from", "127.0.0.1");
    if let (Some(place), Some([])) = (section.get("from"), from.as_deref()) {
        let nobody = Fault::at(place.span(), "`from` names nobody who could ask");
        reader.fault(nobody.help("write the proxy's address: `from = [\"127.0.0.1\"]`"));
    }
    for whole in from
        .iter()
        .flatten()
        .filter(|network| network.is_everything())
    {
        let title = format!("`from` names the whole internet: {whole}");
        let place = section
            .get("from")
            .map_or(written.span(), toml::Spanned::span);
        reader.fault(
            Fault::at(place, title)
                .help("whoever may ask can say which request was meant; name the proxy alone"),
        );
    }
    Some(ForwardAuth {
        listen: listen?,
        proxy: proxy?,
        from: from?,
    })
}
