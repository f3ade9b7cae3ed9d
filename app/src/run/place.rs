//! Where a command runs: as a process in the container that runs, or in a container of its own with the same image, variables, volumes,
//! limits and networks.

use std::collections::BTreeMap;

use super::carry::Carrier;
use crate::db::{deployment, object, run};
use crate::docker::{Attached, Command, ContainerSpec, DockerError, Session, Streams, labels, trust};
use crate::error::Result;
use crate::fault;
use crate::snapshot::engine_error;
use crate::supervisor::{self, Part};

impl Carrier {
    /// Starts the command; its streams, and what it is to the engine.
    pub(super) async fn start(&self, part: &Part) -> Result<(Attached, Session)> {
        let terminal = self.link.attach.as_ref().and_then(|attach| attach.terminal.as_ref());
        let streams = Streams { terminal: terminal.is_some(), input: self.link.attach.is_some() };
        let kind = terminal.and_then(|terminal| terminal.kind.clone());
        let env: BTreeMap<String, String> = kind.map(|kind| ("TERM".to_owned(), kind)).into_iter().collect();
        let (attached, session) = if self.row.run.fresh {
            self.fresh(part, env, streams).await?
        } else {
            self.inside(part, env, streams).await?
        };
        if let Some(terminal) = terminal {
            // A terminal of another size is better than none.
            self.engine.resize(&attached, terminal.size.columns, terminal.size.rows).await.ok();
        }
        Ok((attached, session))
    }

    async fn inside(
        &self,
        part: &Part,
        env: BTreeMap<String, String>,
        streams: Streams,
    ) -> Result<(Attached, Session)> {
        let command = Command { argv: self.link.argv.clone(), env };
        let process = self.engine.prepare(&part.name, &command, streams).await.map_err(engine_error)?;
        let (id, recorded) = (self.row.id, process.clone());
        self.app.db.write(move |tx| run::set_process(tx, id, &recorded)).await?;
        fault::point("run.prepared");
        let attached = Attached::Process(process);
        let session = self.engine.attach(&attached, streams).await.map_err(engine_error)?;
        fault::point("run.attached");
        Ok((attached, session))
    }

    async fn fresh(&self, part: &Part, env: BTreeMap<String, String>, streams: Streams) -> Result<(Attached, Session)> {
        let name = self.container_name().await?;
        let (id, recorded) = (self.row.id, name.clone());
        self.app.db.write(move |tx| run::set_container(tx, id, &recorded)).await?;
        fault::point("run.recorded");
        let spec = self.spec(part, name.clone(), env);
        self.make(&spec, part, streams).await.map_err(engine_error)?;
        fault::point("run.made");
        let attached = Attached::Container(name);
        let session = self.engine.attach(&attached, streams).await.map_err(engine_error)?;
        self.engine.start(&spec.name).await.map_err(engine_error)?;
        fault::point("run.begun");
        Ok((attached, session))
    }

    async fn make(&self, spec: &ContainerSpec, part: &Part, streams: Streams) -> Result<(), DockerError> {
        if self.row.release.is_some() {
            supervisor::make_volumes(&*self.engine, spec).await?;
        }
        self.engine.create_with(spec, streams).await?;
        if let Some(network) = &part.siblings {
            // Under no name: requests of siblings are for the container that runs.
            self.engine.connect(network, &spec.name, &[]).await?;
        }
        trust::prepare(&*self.engine, spec, self.app.config.ca_bundle.as_deref()).await
    }

    /// As the container that runs, but with this command and under no name that anybody reaches.
    fn spec(&self, part: &Part, name: String, env: BTreeMap<String, String>) -> ContainerSpec {
        let mut spec = part.spec.clone();
        spec.name = name;
        spec.aliases = Vec::new();
        // The image's entry point would get the command as its arguments.
        spec.entrypoint = self.link.argv.first().map(|program| vec![program.clone()]);
        spec.command = Some(self.link.argv.get(1..).unwrap_or_default().to_vec());
        for (key, value) in env {
            spec.env.entry(key).or_insert(value);
        }
        spec.labels.retain(|key, _| key == labels::INSTANCE || key == labels::DEPLOYMENT);
        spec.labels.insert(labels::RUN.to_owned(), self.row.run.number.to_string());
        spec
    }

    /// A dot is in no other container's name, so it is nobody else's.
    pub(super) async fn container_name(&self) -> Result<String> {
        let (id, number) = (self.row.deployment_id, self.row.run.number);
        let slug = self.app.db.read(move |c| Ok(deployment::by_id(c, id)?.slug)).await?;
        Ok(format!("{}.run-{number}", object::network_name(&self.app.instance, &slug)))
    }
}
