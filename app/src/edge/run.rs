//! The edge inside the server: what the database wants and what is observed become a table and certificates.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use boathouse_edge::handshake::Handshakes;
use boathouse_edge::listen::{Config, Edge};
use boathouse_edge::routes::{Table, Upstream};
use boathouse_edge::serve::Shared;
use boathouse_edge::tls::{self, Certificates};
use boathouse_edge::watch::Limits;
use boathouse_types::{DeploymentId, ReleaseId, Wake};
use futures_util::FutureExt as _;
use rustls::sign::CertifiedKey;
use tokio::task::JoinSet;

use super::acme::Acme;
use super::ca::{self, Ca};
use super::intent::{self, Intent, Memory};
use crate::clock;
use crate::db::certificate::{self, CertificateRow, key_aad};
use crate::db::event::{self, About};
use crate::db::{Transaction, data_restore, deployment, sleep};
use crate::error::{Error, Result, internal, unavailable};
use crate::fault;
use crate::observed::InFlight;
use crate::state::App;
use crate::task::Poke;

/// Also without a poke: a certificate may have come due, a clock may have jumped.
const PERIOD: Duration = Duration::from_secs(30);
const ORDER_PERIOD: Duration = Duration::from_secs(60);

/// The running edge and its two tasks.
pub struct Running {
    edge: Edge,
}

impl Running {
    /// Stops accepting, drains for `grace` at most.
    pub async fn shut_down(self, grace: Duration) {
        self.edge.shut_down(grace).await;
    }

    /// The addresses that were really taken: plain, then TLS.
    pub fn addresses(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        (self.edge.http.clone(), self.edge.https.clone())
    }
}

/// Makes the first table, takes the ports, and keeps table and certificates right from then on.
///
/// # Errors
/// A taken port, with what to do; a state that cannot be read.
pub async fn start(app: &App) -> Result<Running> {
    // Libraries that ask for the process's provider get the same one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let keeper = Arc::new(Keeper::new(app)?);
    keeper.reconcile().await?;
    let config = Config { http: vec![app.config.http], https: vec![app.config.https], threads: None };
    let shared = Shared {
        table: Arc::clone(&keeper.table),
        certificates: Arc::clone(&keeper.certificates),
        https_port: app.config.https.port(),
        limits: Limits::default(),
    };
    let tls = Handshakes::new(Arc::clone(&keeper.certificates))
        .map_err(|error| internal("TLS cannot be set up").caused_by(error))?;
    let edge = Edge::start(&config, Arc::new(shared), &tls).map_err(|error| unavailable(error.to_string()))?;
    let routes = Arc::clone(&keeper);
    app.tasks.reconcile("edge", "Routes and certificates", Some(PERIOD), app.pokes.edge.clone(), move || {
        let keeper = Arc::clone(&routes);
        async move { keeper.reconcile().await }
    });
    super::public::start(app);
    // Owned by the task: when it ends, they end.
    let orders = Arc::<Orders>::default();
    let poke = Poke::clone(&app.pokes.certificates);
    app.tasks.reconcile("acme", "Certificates from the ACME CA", Some(ORDER_PERIOD), poke, move || {
        let (keeper, orders) = (Arc::clone(&keeper), Arc::clone(&orders));
        async move {
            keeper.order(&orders).await;
            Ok(())
        }
    });
    Ok(Running { edge })
}

/// The internal CA's root certificate, made where there is none.
pub async fn root_certificate(app: &App) -> Result<String> {
    Ok(make_ca(app).await?.cert_pem)
}

async fn make_ca(app: &App) -> Result<certificate::CaRow> {
    let (key, instance) = (app.key.clone(), app.instance.clone());
    let own = app.config.base_domain.to_string();
    app.db
        .write(move |tx| {
            // Besides private names only for the instance's own domain: to trust this root is to trust it with no more.
            certificate::ca(tx, || ca::create(&key, &instance, &[&own]))
        })
        .await
}

/// Wakes a deployment that sleeps, or starts a stopped one that visitors may wake; anything else has changed meanwhile.
fn wake(tx: &Transaction<'_>, id: DeploymentId) -> Result<()> {
    let row = deployment::by_id(tx, id)?;
    if row.asleep_at.is_some() {
        if let Err(error) = sleep::wake(tx, &row, "visitor", "a request") {
            tracing::info!(deployment = %row.name, %error, "a visitor has to wait");
        }
        return Ok(());
    }
    if data_restore::is_open(tx, id)? {
        return Ok(());
    }
    if row.is_gone() || row.intent != boathouse_types::Intent::Stopped || row.wake != Wake::Visitors {
        return Ok(());
    }
    deployment::set_intent(tx, id, boathouse_types::Intent::Running)?;
    let about = About { project: Some(&row.project), deployment: Some(&row.name), release: None };
    event::record(tx, "visitor", "deployment.woken", about, &format!("A visitor woke {}/{}", row.project, row.name))?;
    Ok(())
}

/// Keeps the two pointers that the edge's threads read.
struct Keeper {
    app: App,
    table: Arc<ArcSwap<Table>>,
    certificates: Arc<ArcSwap<Certificates>>,
    acme: Acme,
    fallback: Arc<CertifiedKey>,
    /// Answers of orders under way. Held for an insert or a copy, never across an await.
    challenges: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    state: tokio::sync::Mutex<State>,
}

/// What one run remembers for the next, so that what did not change stays the same object.
struct State {
    memory: Memory,
    ca: Option<Ca>,
    keys: HashMap<String, (CertificateRow, Arc<CertifiedKey>)>,
    routed: Option<BTreeSet<ReleaseId>>,
    wanted: BTreeSet<String>,
}

impl Keeper {
    fn new(app: &App) -> Result<Self> {
        let fallback = tls::self_signed().map_err(|error| internal("no certificate could be made").caused_by(error))?;
        let console = Upstream::new(boathouse_edge::routes::Address::Unix(app.paths.console_socket()), InFlight::new());
        let memory =
            Memory::new(app.config.console_host.to_string(), console, app.paths.sites(), app.pokes.edge.clone());
        Ok(Self {
            acme: Acme::new(&app.config, app.db.clone(), app.key.clone())?,
            table: Arc::default(),
            certificates: Arc::new(ArcSwap::from_pointee(Certificates::new(Some(Arc::clone(&fallback))))),
            fallback,
            challenges: Mutex::default(),
            state: tokio::sync::Mutex::new(State {
                memory,
                ca: None,
                keys: HashMap::new(),
                routed: None,
                wanted: BTreeSet::new(),
            }),
            app: app.clone(),
        })
    }

    /// One look at everything; a second one right after it changes nothing.
    async fn reconcile(&self) -> Result<()> {
        let mut guard = self.state.lock().await;
        let state = &mut *guard;
        self.wake(state.memory.woken()).await?;
        let intent = {
            let key = self.app.key.clone();
            self.app.db.read(move |c| intent::read(c, &key)).await?
        };
        // Certificates first: whoever sees a new route over TLS also gets its certificate.
        self.load_certificates(state, &intent).await?;
        let (table, routed) = intent::table(&intent, &self.app.observed, &mut state.memory).await;
        self.table.store(Arc::new(table));
        state.memory.tell_held();
        if state.routed.as_ref() != Some(&routed) {
            state.routed = Some(routed.clone());
            self.app.observed.set_routed(routed);
            self.app.pokes.supervisor.poke();
            self.app.pokes.release.poke();
        }
        let wanted = intent.acme_names(&state.memory);
        if !wanted.is_subset(&state.wanted) {
            self.app.pokes.certificates.poke();
        }
        state.wanted = wanted;
        Ok(())
    }

    /// What visitors woke is to run.
    async fn wake(&self, woken: Vec<DeploymentId>) -> Result<()> {
        if woken.is_empty() {
            return Ok(());
        }
        self.app.db.write(move |tx| woken.iter().try_for_each(|id| wake(tx, *id))).await?;
        fault::point("wake.recorded");
        self.app.pokes.supervisor.poke();
        self.app.pokes.release.poke();
        self.app.pokes.expiry.poke();
        self.app.pokes.sleep.poke();
        self.app.pokes.events.notify_waiters();
        Ok(())
    }

    /// Brings `state.keys` up to the rows, makes what the internal CA has to make, and publishes.
    async fn load_certificates(&self, state: &mut State, intent: &Intent) -> Result<()> {
        if state.ca.is_none() {
            state.ca = Some(self.open_ca().await?);
        }
        state.keys.retain(|name, _| intent.certificates.iter().any(|row| row.name == *name));
        for row in &intent.certificates {
            if state.keys.get(&row.name).is_some_and(|(known, _)| known == row) {
                continue;
            }
            // One bad row hurts its own host only.
            match self.usable(row) {
                Ok(key) => drop(state.keys.insert(row.name.clone(), (row.clone(), key))),
                Err(error) => tracing::error!(name = row.name, %error, "a stored certificate cannot be used"),
            }
        }
        for name in intent.internal_names(&state.memory) {
            if let Err(error) = self.issue(state, &name).await {
                tracing::warn!(name, %error, "the internal CA made no certificate");
                self.note_problem(&name, &error).await?;
            }
        }
        self.publish(state);
        Ok(())
    }

    async fn open_ca(&self) -> Result<Ca> {
        let row = make_ca(&self.app).await?;
        let path = self.app.paths.ca();
        if std::fs::read_to_string(&path).ok().as_deref() != Some(row.cert_pem.as_str()) {
            std::fs::write(path, &row.cert_pem)?;
        }
        Ca::open(&row, &self.app.key)
    }

    fn usable(&self, row: &CertificateRow) -> Result<Arc<CertifiedKey>> {
        let key = self.app.key.open(&key_aad(&row.name), &row.key_sealed)?;
        tls::certified_key(row.chain_pem.as_bytes(), &key)
            .map_err(|error| internal(format!("the certificate of {} cannot be used", row.name)).caused_by(error))
    }

    /// A certificate of the internal CA for `name`, unless it has one that is not due.
    async fn issue(&self, state: &mut State, name: &str) -> Result<()> {
        let Some(ca) = &state.ca else { return Ok(()) };
        if let Some((row, _)) = state.keys.get(name)
            && ca.issued(row)
            && !ca::is_due(row, clock::now())
        {
            return Ok(());
        }
        let row = ca.issue(name, &self.app.key)?;
        let key = self.usable(&row)?;
        let stored = row.clone();
        self.app.db.write(move |tx| certificate::store(tx, &stored)).await?;
        state.keys.insert(name.to_owned(), (row, key));
        Ok(())
    }

    async fn note_problem(&self, name: &str, error: &Error) -> Result<()> {
        let problem = match &error.hint {
            Some(hint) => format!("{error}. {hint}"),
            None => error.to_string(),
        };
        let name = name.to_owned();
        self.app
            .db
            .write(move |tx| {
                let order = certificate::order(tx, &name)?;
                if order.problem.as_ref() == Some(&problem) {
                    return Ok(());
                }
                certificate::set_order(tx, &name, &certificate::OrderRow { problem: Some(problem), ..order })
            })
            .await
    }

    /// Swaps the certificates for what is known now.
    fn publish(&self, state: &State) {
        let mut certificates = Certificates::new(Some(Arc::clone(&self.fallback)));
        for (name, (_, key)) in &state.keys {
            certificates.insert(name, Arc::clone(key));
        }
        for (name, answer) in self.challenges.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            certificates.insert_challenge(name, Arc::clone(answer));
        }
        self.certificates.store(Arc::new(certificates));
    }

    /// Orders what is missing or due and not under way: each name by itself, so that none waits for another one.
    async fn order(self: &Arc<Self>, orders: &Orders) {
        let due: Vec<String> = {
            let state = self.state.lock().await;
            let is_due =
                |name: &String| state.keys.get(name).is_none_or(|(row, _)| !row.acme || ca::is_due(row, clock::now()));
            state.wanted.iter().filter(|name| is_due(name)).cloned().collect()
        };
        for name in due {
            let keeper = Arc::clone(self);
            orders.start(&name.clone(), async move { keeper.order_one(&name).await });
        }
    }

    async fn order_one(&self, name: &str) {
        let announce = move |answer: Arc<CertifiedKey>| {
            self.challenges.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), answer);
            async move { self.publish(&*self.state.lock().await) }.boxed()
        };
        let ordered = self.acme.obtain(name, &announce).await;
        if self.challenges.lock().unwrap_or_else(PoisonError::into_inner).remove(name).is_some() {
            self.publish(&*self.state.lock().await);
        }
        match ordered {
            Ok(true) => self.app.pokes.edge.poke(),
            Ok(false) => {}
            Err(error) => tracing::warn!(name, %error, source = ?error.source, "a certificate could not be ordered"),
        }
    }
}

/// The orders under way, at most one per name. Dropping it ends them.
#[derive(Default)]
struct Orders {
    /// Held for a look, never across an await.
    jobs: Mutex<JoinSet<()>>,
    names: Arc<Mutex<BTreeSet<String>>>,
}

impl Orders {
    fn start(&self, name: &str, order: impl Future<Output = ()> + Send + 'static) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        while jobs.try_join_next().is_some() {}
        if !self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
            return;
        }
        let under_way = UnderWay { names: Arc::clone(&self.names), name: name.to_owned() };
        jobs.spawn(async move {
            let _until_the_end = under_way;
            order.await;
        });
    }
}

/// Also an order that panics or is dropped is not under way any more.
struct UnderWay {
    names: Arc<Mutex<BTreeSet<String>>>,
    name: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
