//! What containers print while nobody listens is not lost, and what was stored is not stored twice.

use std::net::{IpAddr, SocketAddr};

use boathouse_types::LogLine;
use bollard::query_parameters::InspectContainerOptions;

use crate::harness::{Engine, Server, app, at, seconds, upload, wait_for};

/// Printed between two kills.
const BATCH: usize = 200;

struct Talker {
    server: Server,
    address: SocketAddr,
}

impl Talker {
    async fn new() -> Self {
        let server = Server::start().await;
        server.local().create_project("talker", &upload()).await;
        server.local().deploy_archive("talker", app("talker").archive()).await;
        let engine = Engine::connect().await;
        let name = engine.container_names(&server.instance()).await.remove(0);
        let about = engine.docker.inspect_container(&name, None::<InspectContainerOptions>).await.unwrap();
        let networks = about.network_settings.unwrap().networks.unwrap();
        let address: IpAddr = networks.into_values().find_map(|network| network.ip_address?.parse().ok()).unwrap();
        Self { server, address: SocketAddr::new(address, 8080) }
    }

    /// Directly, so that it can be done while the server is dead.
    async fn print(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let url = format!("http://{}/print?line-{number}", self.address);
            assert!(reqwest::get(url).await.unwrap().status().is_success());
        }
    }

    async fn stored(&self) -> Vec<String> {
        let path = format!("{}/logs?tail=10000", at("talker", "production"));
        let lines: Vec<LogLine> = self.server.local().read(&path).await;
        lines.into_iter().map(|line| line.text).filter(|text| text.starts_with("line-")).collect()
    }
}

#[tokio::test]
async fn lines_printed_while_the_server_was_dead_are_stored_once_and_in_order() {
    let mut talker = Talker::new().await;
    talker.print(0..BATCH).await;
    // In the middle of storing, perhaps: wherever it is, it dies.
    talker.server.kill();
    talker.print(BATCH..2 * BATCH).await;
    talker.server.start_again().await;
    talker.print(2 * BATCH..3 * BATCH).await;
    let expected: Vec<String> = (0..3 * BATCH).map(|number| format!("line-{number}")).collect();
    wait_for(seconds(30), "every line is stored", || async {
        let last = expected.last();
        (talker.stored().await.last() == last).then_some(())
    })
    .await;
    assert_eq!(talker.stored().await, expected);
}
