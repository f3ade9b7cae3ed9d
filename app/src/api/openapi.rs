//! The OpenAPI document, made from the route table and the types, so that it cannot say anything else than the code.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use boathouse_types::ApiError;
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};

use super::route::{Body, Need, Route, Shape};
use super::table;
use crate::error::Result;

pub async fn show() -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().content_type("application/json").body(document()?))
}

/// The document, indented, with a line break at its end.
pub fn document() -> Result<String> {
    let mut schemas = BTreeMap::new();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    keep(&mut schemas, &Shape::of::<ApiError>())?;
    for route in table::routes() {
        let operation = operation(&route, &mut schemas)?;
        paths.entry(route.full_path()).or_default().insert(route.method.as_str().to_ascii_lowercase(), operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Boathouse",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One API for console, command line and scripts. docs/API.md explains conventions, errors and streams.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": crate::auth::session::COOKIE },
                "token": { "type": "http", "scheme": "bearer" }
            }
        }
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

type Schemas = BTreeMap<String, Value>;

fn operation(route: &Route, schemas: &mut Schemas) -> Result<Value> {
    let mut operation = Map::new();
    operation.insert("summary".into(), json!(route.summary));
    operation.insert("operationId".into(), json!(id(route)));
    operation.insert("x-boathouse-needs".into(), json!(needs(route.need)));
    if let Need::Role(_) = route.need {
        operation.insert("security".into(), json!([{ "session": [] }, { "token": [] }]));
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation.insert("parameters".into(), json!(parameters));
    }
    if let Some(content) = content(&route.takes, schemas)? {
        operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
    }
    let mut success = json!({ "description": "Success" });
    if let Some(content) = content(&route.answers, schemas)? {
        success["content"] = content;
    }
    let error = json!({
        "description": "Any error",
        "content": { "application/json": { "schema": reference("ApiError") } }
    });
    operation.insert("responses".into(), json!({ route.status.to_string(): success, "default": error }));
    Ok(Value::Object(operation))
}

/// `get_projects_project`: unique, because method and path are.
fn id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>().join("_");
    format!("{}_{words}", route.method.as_str().to_ascii_lowercase())
}

fn needs(need: Need) -> &'static str {
    match need {
        Need::Anyone => "anyone",
        Need::Role(role) => role.as_str(),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        let kind = if matches!(name, "number" | "token") { "integer" } else { "string" };
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
    });
    let in_query = route.query.iter().map(|(name, says)| {
        let kind = if matches!(*name, "before" | "after" | "limit" | "tail") { "integer" } else { "string" };
        json!({ "name": name, "in": "query", "required": false, "description": says, "schema": { "type": kind } })
    });
    in_path.chain(in_query).collect()
}

fn content(body: &Body, schemas: &mut Schemas) -> Result<Option<Value>> {
    Ok(Some(match body {
        Body::Empty => return Ok(None),
        Body::One(shape) => json!({ "application/json": { "schema": named(shape, schemas)? } }),
        Body::Maybe(shape) => json!({ "application/json": { "schema": maybe(shape, schemas)? } }),
        Body::Many(shape) => json!({ "application/json": { "schema": list(shape, schemas)? } }),
        Body::StreamOne(shape) => json!({
            "application/json": { "schema": named(shape, schemas)? },
            "text/event-stream": { "schema": { "type": "string" } }
        }),
        Body::Stream(shape) => json!({
            "application/json": { "schema": list(shape, schemas)? },
            "text/event-stream": { "schema": { "type": "string" } }
        }),
        Body::Bytes(types) => {
            let binary = json!({ "schema": { "type": "string", "format": "binary" } });
            Value::Object(types.iter().map(|media_type| ((*media_type).to_owned(), binary.clone())).collect())
        }
    }))
}

fn named(shape: &Shape, schemas: &mut Schemas) -> Result<Value> {
    keep(schemas, shape)?;
    Ok(reference(&shape.name))
}

fn maybe(shape: &Shape, schemas: &mut Schemas) -> Result<Value> {
    Ok(json!({ "oneOf": [named(shape, schemas)?, { "type": "null" }] }))
}

fn list(shape: &Shape, schemas: &mut Schemas) -> Result<Value> {
    Ok(json!({ "type": "array", "items": named(shape, schemas)? }))
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn keep(schemas: &mut Schemas, shape: &Shape) -> Result<()> {
    let mut found: Vec<(String, RefOr<Schema>)> = vec![(shape.name.clone(), shape.schema.clone())];
    (shape.collect)(&mut found);
    for (name, schema) in found {
        schemas.insert(name, serde_json::to_value(schema)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_defined_and_every_id_is_unique() {
        let text = document().unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let schemas = value["components"]["schemas"].as_object().unwrap();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is referred to and not defined");
        }
        let mut ids = table::routes().iter().map(id).collect::<Vec<_>>();
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
