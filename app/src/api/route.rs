//! A route as data: method, path, who may, what it takes and answers, and its handler.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Handler, web};
use boathouse_types::{Role, path::API};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::{access, error, table};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anyone: the handler looks after itself.
    Anyone,
    /// Callers of this role or a higher one.
    Role(Role),
}

/// One method on one path.
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path below `/api/v1`, with `{names}`.
    pub path: &'static str,
    /// Who may call it.
    pub need: Need,
    /// One sentence for the OpenAPI document.
    pub summary: &'static str,
    /// What the body must be.
    pub takes: Body,
    /// What a success answers.
    pub answers: Body,
    /// The status of a success.
    pub status: u16,
    /// Query parameters.
    pub query: &'static [(&'static str, &'static str)],
    handler: Box<dyn Fn() -> actix_web::Route>,
}

/// A request's or an answer's body, for the OpenAPI document.
pub enum Body {
    /// None.
    Empty,
    /// One JSON value of that schema.
    One(Shape),
    /// One JSON value of that schema, or `null` where there is none.
    Maybe(Shape),
    /// A JSON array of them.
    Many(Shape),
    /// JSON array of them, or a stream of server-sent events that carry one each.
    Stream(Shape),
    /// One JSON value, or a stream of server-sent events that carry it anew.
    StreamOne(Shape),
    /// Bytes of these media types.
    Bytes(&'static [&'static str]),
}

/// A type's schema and those that it refers to.
pub struct Shape {
    /// Its name in the document.
    pub name: String,
    /// Its schema.
    pub schema: RefOr<Schema>,
    /// Adds the schemas that it refers to.
    pub collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    /// The shape of a type.
    pub fn of<T: ToSchema>() -> Self {
        Self { name: T::name().into_owned(), schema: T::schema(), collect: T::schemas }
    }
}

/// A route; `says`, `takes`, `answers` and the others describe it further.
pub fn route<F, Args>(method: Method, path: &'static str, need: Need, handler: F) -> Route
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    Route {
        method,
        path,
        need,
        summary: "",
        takes: Body::Empty,
        answers: Body::Empty,
        status: 200,
        query: &[],
        handler: Box::new(move || web::to(handler.clone())),
    }
}

impl Route {
    /// Its sentence in the document.
    pub fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Its body is JSON of that type.
    pub fn takes<T: ToSchema>(self) -> Self {
        Self { takes: Body::One(Shape::of::<T>()), ..self }
    }

    /// Its body is bytes.
    pub fn takes_bytes(self, types: &'static [&'static str]) -> Self {
        Self { takes: Body::Bytes(types), ..self }
    }

    /// It answers JSON of that type.
    pub fn answers<T: ToSchema>(self) -> Self {
        Self { answers: Body::One(Shape::of::<T>()), ..self }
    }

    /// It answers JSON of that type, or `null`.
    pub fn answers_maybe<T: ToSchema>(self) -> Self {
        Self { answers: Body::Maybe(Shape::of::<T>()), ..self }
    }

    /// It answers a JSON array.
    pub fn answers_many<T: ToSchema>(self) -> Self {
        Self { answers: Body::Many(Shape::of::<T>()), ..self }
    }

    /// It answers a JSON array or a stream.
    pub fn streams<T: ToSchema>(self) -> Self {
        Self { answers: Body::Stream(Shape::of::<T>()), ..self }
    }

    /// It answers JSON of that type, or a stream of it.
    pub fn streams_one<T: ToSchema>(self) -> Self {
        Self { answers: Body::StreamOne(Shape::of::<T>()), ..self }
    }

    /// It answers bytes.
    pub fn answers_bytes(self, types: &'static [&'static str]) -> Self {
        Self { answers: Body::Bytes(types), ..self }
    }

    /// A success has this status instead of 200.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// It understands these query parameters.
    pub fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    /// Its path on the server: the API's are below `/api/v1`; git and health checks have addresses of their own.
    pub fn full_path(&self) -> String {
        let own = self.path == "/healthz" || self.path.starts_with("/git/");
        if own { self.path.to_owned() } else { format!("{API}{}", self.path) }
    }

    fn mounted(self) -> actix_web::Route {
        let need = self.need;
        let guarded = from_fn(move |request, next| access::authorise(need, request, next));
        (self.handler)().method(self.method).wrap(guarded)
    }
}

/// Mounts the table: one resource per path, so that a wrong method is told from a wrong path.
pub fn mount(config: &mut web::ServiceConfig) {
    let mut rest = table::routes();
    while let Some(first) = rest.first() {
        let (path, full) = (first.path, first.full_path());
        let (here, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|route| route.path == path);
        let resource = here.into_iter().fold(web::resource(full), |resource, route| resource.route(route.mounted()));
        config.service(resource.default_service(web::to(error::no_method)));
        rest = others;
    }
}
