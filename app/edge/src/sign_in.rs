//! Basic authentication (RFC 7617).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};

/// Who may come.
#[derive(Debug)]
pub struct SignIn {
    challenge: HeaderValue,
    /// Digests of `user:password`: the passwords themselves are not kept here, and digests are of one length.
    users: Vec<Digest>,
    pass_on: bool,
}

impl SignIn {
    /// `realm` is what a browser's dialog says, `users` are names and passwords.
    pub fn new<'a>(realm: &str, users: impl Iterator<Item = (&'a str, &'a str)>, pass_on: bool) -> Self {
        let challenge = HeaderValue::from_str(&format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
        Self {
            challenge: challenge.unwrap_or(HeaderValue::from_static("Basic realm=\"\", charset=\"UTF-8\"")),
            users: users.map(|(user, password)| digest(&SHA256, format!("{user}:{password}").as_bytes())).collect(),
            pass_on,
        }
    }

    /// What is asked of whoever did not say who it is.
    pub fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    /// Whether the application gets the field, too.
    pub fn passes_on(&self) -> bool {
        self.pass_on
    }

    /// Whether a request names one of the users with the password. All are compared, so that the time tells nothing.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return false };
        let Some(said) = credentials(field) else { return false };
        let said = digest(&SHA256, &said);
        let is = |user: &Digest| verify_slices_are_equal(user.as_ref(), said.as_ref()).is_ok();
        self.users.iter().fold(false, |found, user| found | is(user))
    }
}

/// `user:password`, out of a field's value.
fn credentials(field: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, coded) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(coded.trim()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_password_is_admitted() {
        let sign_in = SignIn::new("Shop", [("anna", "s3cret:with colon"), ("ben", "ü")].into_iter(), false);
        let admits = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            sign_in.admits(&headers)
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for good in ["anna:s3cret:with colon", "ben:ü"] {
            assert!(admits(&[basic(good)]), "{good}");
        }
        assert!(admits(&[basic("ben:ü").replace("Basic", "bAsIC ")]));
        for bad in [
            "",
            ":",
            "anna",
            "anna:",
            "anna:s3cret",
            "ben:s3cret:with colon",
            "ANNA:s3cret:with colon",
            "anna:s3cret:with colon ",
        ] {
            assert!(!admits(&[basic(bad)]), "{bad}");
        }
        for bad in ["Basic", "Basic %%%", "Bearer YW5uYTo=", ""] {
            assert!(!admits(&[bad.to_owned()]), "{bad}");
        }
        assert!(!admits(&[]) && !admits(&[basic("ben:ü"), basic("ben:ü")]), "none, and two that could differ");
    }
}
