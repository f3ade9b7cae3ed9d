//! Names and values of header fields that a manifest may set (RFC 9110 §5).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of a name.
const LONGEST_NAME: usize = 100;
/// Characters of a value.
const LONGEST_VALUE: usize = 4096;

/// The name of a field that does not belong to one connection, to the framing or to what the edge says of the client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldName(String);

impl FieldName {
    /// As the manifest writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = || text.chars().take(80).collect::<String>().escape_debug().to_string();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte);
        if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(token) {
            return Err(format!(
                "\"{}\" is not the name of a header field: letters, digits and hyphens, as in X-Frame-Options",
                shown()
            ));
        }
        match reserved(&text.to_ascii_lowercase()) {
            Some(why) => Err(format!("{} cannot be set or removed: {why}", shown())),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Why a field is none of a manifest's.
fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authorization"
        | "proxy-authenticate"
        | "te"
        | "trailer"
        | "upgrade"
        | "http2-settings"
        | "expect" => Some("it belongs to one connection, and each side has its own"),
        "content-length" | "transfer-encoding" | "content-range" | "content-encoding" => {
            Some("it says how long the content is and where it ends, or what it is coded in")
        }
        "host" => Some("it names the host that was asked for; for another one use `redirects`"),
        _ if is_of_client(name) => {
            Some("the edge itself says there who the client is, so that the component can trust it")
        }
        _ => None,
    }
}

fn is_of_client(name: &str) -> bool {
    name.starts_with("x-forwarded")
        || name.starts_with("cf-")
        || matches!(
            name,
            "forwarded"
                | "forwarded-for"
                | "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-url"
                | "x-rewrite-url"
                | "x-original-host"
                | "x-original-forwarded-for"
                | "x-envoy-external-address"
                | "x-host"
                | "x-appengine-user-ip"
                | "x-azure-clientip"
                | "client-ip"
                | "fastly-client-ip"
                | "true-client-ip"
        )
}

/// The value of a field: visible characters of ASCII, and blanks between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldValue(String);

impl FieldValue {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST_VALUE {
            return Err(format!("its value has more than {LONGEST_VALUE} characters"));
        }
        if text.trim_matches([' ', '\t']) != text {
            return Err("its value begins or ends with a blank, which no field can have".to_owned());
        }
        match text.chars().find(|c| !matches!(c, ' '..='~')) {
            Some(c) => {
                Err(format!("its value has the character \"{}\": a field has visible ASCII alone", c.escape_debug()))
            }
            None => Ok(Self(text.to_owned())),
        }
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(FieldName);
text!(FieldValue);
