//! Prints the OpenAPI document of the administration: `just openapi` keeps a
//! copy of it in `docs/openapi.json`.

#![expect(clippy::print_stdout, reason = "its output is the document")]

fn main() -> Result<(), serde_json::Error> {
    let document = doorward_issuer::http::admin::openapi();
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}
