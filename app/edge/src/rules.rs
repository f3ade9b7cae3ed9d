//! What a component wants done with its requests and answers: who may come, how often, what is sent elsewhere, which fields come and go.

use std::net::IpAddr;
use std::sync::Arc;

use boathouse_types::{Cidr, Elsewhere, Redirect};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};

use super::body::Body;
use super::edits::Edits;
use super::pages;
use super::sign_in::SignIn;
use super::throttle::Throttle;

/// The rules of a route.
#[derive(Debug, Default)]
pub struct Rules {
    /// The only networks that clients may come from; all where empty.
    pub allow: Vec<Cidr>,
    /// How often each client may ask.
    pub throttle: Option<Arc<Throttle>>,
    /// What is sent elsewhere; the first that fits counts.
    pub redirects: Vec<Redirect>,
    /// Who may come.
    pub sign_in: Option<SignIn>,
    /// Fields of what the application gets.
    pub request: Edits,
    /// Fields of what the client gets.
    pub response: Edits,
}

/// Who asks, and by which address.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The client.
    pub client: IpAddr,
    /// Over TLS.
    pub tls: bool,
    /// The host, as the table has it.
    pub host: &'a str,
    /// The port of that address.
    pub port: u16,
}

impl Rules {
    /// The answer in place of the component's, where there is one. Who is too many is told so before a password is looked at: a
    /// password cannot be guessed faster than the rate.
    pub fn answer(&self, asked: &Asked<'_>, head: &Parts) -> Option<Response<Body>> {
        if !self.allow.is_empty() && !self.allow.iter().any(|network| network.contains(asked.client)) {
            return Some(pages::page(StatusCode::FORBIDDEN, &head.headers));
        }
        if let Some(seconds) = self.throttle.as_ref().and_then(|throttle| throttle.refuses(asked.client)) {
            let mut response = pages::page(StatusCode::TOO_MANY_REQUESTS, &head.headers);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            return Some(response);
        }
        if let Some(mut response) = self.redirect(asked, head) {
            self.finish(&mut response);
            return Some(response);
        }
        let refusing = self.sign_in.as_ref().filter(|sign_in| !sign_in.admits(&head.headers))?;
        let mut response = pages::page(StatusCode::UNAUTHORIZED, &head.headers);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, refusing.challenge());
        Some(response)
    }

    fn redirect(&self, asked: &Asked<'_>, head: &Parts) -> Option<Response<Body>> {
        let (path, query) = (head.uri.path(), head.uri.query());
        let (status, to) =
            self.redirects.iter().find_map(|one| Some((one.status, one.apply(asked.host, path, query)?)))?;
        let location = match to {
            Elsewhere::Here(to) | Elsewhere::Address(to) => to,
            Elsewhere::Host(host, path) => {
                let (scheme, usual) = if asked.tls { ("https", 443) } else { ("http", 80) };
                let port = if asked.port == usual { String::new() } else { format!(":{}", asked.port) };
                format!("{scheme}://{host}{port}{path}")
            }
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
        // A path that no field can hold is one that nobody has.
        Some(pages::redirect(status, &location).unwrap_or_else(|| pages::page(StatusCode::BAD_REQUEST, &head.headers)))
    }

    /// Makes a client's fields those that the application is to get.
    pub fn prepare(&self, headers: &mut HeaderMap) {
        if self.sign_in.as_ref().is_some_and(|sign_in| !sign_in.passes_on()) {
            headers.remove(header::AUTHORIZATION);
        }
        self.request.of_request(headers);
    }

    /// Makes the fields of an answer those that the client is to get. Pages of the edge keep their own.
    pub fn finish(&self, response: &mut Response<Body>) {
        let is_own = response.extensions().get::<pages::Own>().is_some();
        if !is_own && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.response.apply(response.headers_mut());
        }
    }
}
