//! A policy as YAML: the way back from [`super::read`].

use boathouse_types::{DeploymentStage, USUAL_REDIRECT};

use super::{Domain, EdgePolicy, HeaderEdits};
use crate::stack::print::{PART, Printer, quoted, size};

impl Printer {
    /// The keys that the edge carries out, in the order of the table.
    pub fn policy<'a>(&mut self, domains: impl ExactSizeIterator<Item = &'a Domain>, policy: &EdgePolicy) {
        self.domains(domains);
        self.headers(policy);
        self.redirects(policy);
        self.request_limits(policy);
        self.auth(policy);
    }

    fn domains<'a>(&mut self, domains: impl ExactSizeIterator<Item = &'a Domain>) {
        if domains.len() > 0 {
            self.line(PART, "domains:");
        }
        for Domain { name, stage } in domains {
            let usual = *stage == DeploymentStage::default();
            let stage = if usual { String::new() } else { format!(", stage: {}", stage.as_str()) };
            self.line(PART + 1, &format!("- {{name: {}{stage}}}", quoted(name.as_str())));
        }
    }

    fn headers(&mut self, policy: &EdgePolicy) {
        let both = [("response", &policy.headers.response), ("request", &policy.headers.request)];
        if both.iter().any(|(_, edits)| !edits.is_empty()) {
            self.line(PART, "headers:");
        }
        for (key, HeaderEdits { set, remove }) in both.into_iter().filter(|(_, edits)| !edits.is_empty()) {
            self.line(PART + 1, &format!("{key}:"));
            if !set.is_empty() {
                self.line(PART + 2, "set:");
                let fields = set.iter().map(|(name, value)| (quoted(name.as_str()), quoted(value.as_str())));
                fields.for_each(|(name, value)| self.line(PART + 3, &format!("{name}: {value}")));
            }
            let names: Vec<String> = remove.iter().map(ToString::to_string).collect();
            self.words(PART + 2, "remove", Some(&names).filter(|names| !names.is_empty()));
        }
    }

    fn redirects(&mut self, policy: &EdgePolicy) {
        if !policy.redirects.is_empty() {
            self.line(PART, "redirects:");
        }
        for one in &policy.redirects {
            let status = if one.status == USUAL_REDIRECT { String::new() } else { format!(", status: {}", one.status) };
            let (from, to) = (quoted(&one.from.to_string()), quoted(&one.to.to_string()));
            self.line(PART + 1, &format!("- {{from: {from}, to: {to}{status}}}"));
        }
    }

    fn request_limits(&mut self, policy: &EdgePolicy) {
        let limits = &policy.limits;
        if limits.is_empty() {
            return;
        }
        self.line(PART, "limits:");
        self.text(PART + 1, "body", limits.body_bytes.map(size).as_deref());
        self.word(PART + 1, "rate", limits.rate);
        self.word(PART + 1, "burst", limits.burst);
        let allow: Vec<String> = limits.allow.iter().map(ToString::to_string).collect();
        self.words(PART + 1, "allow", Some(&allow).filter(|allow| !allow.is_empty()));
    }

    fn auth(&mut self, policy: &EdgePolicy) {
        let Some(auth) = &policy.auth else { return };
        self.line(PART, "auth:");
        self.line(PART + 1, "users:");
        for (user, variable) in &auth.users {
            self.line(PART + 2, &format!("{}: {variable}", quoted(user)));
        }
        self.text(PART + 1, "realm", auth.realm.as_deref());
        self.flag(PART + 1, "passOn", auth.pass_on);
    }
}
