//! The way out for programs in containers for development, where packages are installed: the proxy and the certificates that
//! builds have, as variables that the deployment's own win over.

use boathouse_types::{DeploymentStage, EnvKey};

use crate::config::ServeArgs;
use crate::docker::{Proxy, trust};
use crate::stack::environment::Outward;
use crate::stack::{Component, Stack};

const PROXY: &str = "--proxy";
const CA_BUNDLE: &str = "--ca-bundle";
/// The container itself.
const ITSELF: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The variables, none at other stages.
pub fn of(config: &ServeArgs, stage: DeploymentStage, stack: &Stack) -> Vec<Outward> {
    if stage != DeploymentStage::Development {
        return Vec::new();
    }
    let variable = |key: String, value: String, setting: &'static str| {
        let key: EnvKey = key.parse().ok()?;
        // A password stands before the host.
        Some(Outward { key, secret: value.contains('@'), value, setting })
    };
    let proxies = proxy(config, stack).variables().into_iter();
    let bundles = config.ca_bundle.iter().flat_map(|_| trust::VARIABLES);
    proxies
        .filter_map(|(key, value)| variable(key, value, PROXY))
        .chain(bundles.filter_map(|key| variable(key.to_owned(), trust::PATH.to_owned(), CA_BUNDLE)))
        .collect()
}

/// Parts of the same deployment are reached directly.
fn proxy(config: &ServeArgs, stack: &Stack) -> Proxy {
    let Some(proxy) = config.proxy.clone() else { return Proxy::default() };
    let names = |part: &Component| [part.identifier.to_string(), format!("app.{}", part.identifier)];
    let near = ITSELF.map(str::to_owned).into_iter();
    let near = near.chain(stack.in_start_order().flat_map(names)).chain(config.no_proxy.iter().cloned());
    let exceptions = near.collect::<Vec<_>>().join(",");
    Proxy { http: Some(proxy.clone()), https: Some(proxy), exceptions: Some(exceptions) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn made(words: &[&str], stage: DeploymentStage) -> BTreeMap<String, (String, bool, &'static str)> {
        let line = Line::try_parse_from([&["boathouse"], words].concat()).unwrap();
        let stack = crate::stack::parse("m", "components: [{identifier: web}]\naddons: [{identifier: db, image: x}]\n");
        let made = of(&line.serve, stage, &stack.unwrap());
        made.into_iter().map(|one| (one.key.to_string(), (one.value, one.secret, one.setting))).collect()
    }

    #[test]
    fn development_has_the_way_out_that_builds_have() {
        let words =
            ["--proxy", "http://user:password@proxy.test:3128", "--no-proxy", "intern.test", "--ca-bundle", "/ca"];
        let made_of = made(&words, DeploymentStage::Development);
        assert_eq!(made_of.len(), 6 + trust::VARIABLES.len());
        assert_eq!(made_of["https_proxy"], ("http://user:password@proxy.test:3128".to_owned(), true, "--proxy"));
        assert_eq!(made_of["HTTP_PROXY"], made_of["https_proxy"]);
        let near = "localhost,127.0.0.1,::1,db,app.db,web,app.web,intern.test";
        assert_eq!(made_of["NO_PROXY"], (near.to_owned(), false, "--proxy"));
        assert_eq!(made_of["NODE_EXTRA_CA_CERTS"], (trust::PATH.to_owned(), false, "--ca-bundle"));
        for stage in [DeploymentStage::Production, DeploymentStage::Staging, DeploymentStage::Preview] {
            assert!(made(&words, stage).is_empty(), "{stage:?}");
        }
    }

    #[test]
    fn what_is_not_set_is_not_given() {
        assert!(made(&["--no-proxy", "intern.test"], DeploymentStage::Development).is_empty());
        assert_eq!(made(&["--ca-bundle", "/ca"], DeploymentStage::Development).len(), trust::VARIABLES.len());
    }
}
