//! A request as it goes over the wire.

/// A request, byte for byte; nothing in it need be well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method, usually.
    pub method: String,
    /// Request target: path and query, usually.
    pub target: Vec<u8>,
    /// `HTTP/1.1`, unless the version is the attack.
    pub version: &'static str,
    /// Header fields in their order, names as spelled.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What follows the head.
    pub body: Vec<u8>,
    /// Whether to wait a moment for what may come behind the answer.
    pub lingers: bool,
}

impl Request {
    /// A request with nothing but a method, a target and its `Host`.
    pub fn new(method: &str, target: impl Into<Vec<u8>>, authority: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            version: "HTTP/1.1",
            headers: vec![("Host".to_owned(), authority.as_bytes().to_vec())],
            body: Vec::new(),
            lingers: false,
        }
    }

    /// With one more header field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body and its length.
    #[must_use]
    pub fn with_body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.with("Content-Type", media_type)
            .with("Content-Length", length)
    }

    /// The whole message.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.method.clone().into_bytes();
        bytes.push(b' ');
        bytes.extend(&self.target);
        bytes.push(b' ');
        bytes.extend(self.version.as_bytes());
        bytes.extend(b"\r\n");
        for (name, value) in &self.headers {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}
