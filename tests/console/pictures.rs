//! The pictures of docs/screenshots: every page with something on it, light and dark, on a phone and on a desktop.

use std::fs;
use std::path::{Path, PathBuf};

use boathouse_types::{
    ChangeProject, EnvVar, NewDeployment, NewHost, NewRelease, Project, Release, SetEnv, SetEnvVar, Source,
};
use serde_json::json;

use super::signed_in;
use crate::browser::Browser;
use crate::harness::{Client, Engine, GitHost, GitRepo, Server, app, at, decided, seconds, tar_gz, upload, wait_for};

/// Wide and high, as the windows of people are.
const SIZES: [(u32, u32); 2] = [(1440, 900), (360, 800)];
const THEMES: [&str; 2] = ["light", "dark"];
const PAGES: [(&str, &str); 28] = [
    ("home", "/"),
    ("project", "/projects/shop"),
    ("deployment", "/projects/shop/production"),
    ("releases", "/projects/shop/production/releases"),
    ("release", "/projects/shop/production/releases/3"),
    ("failed", "/projects/shop/staging/releases/2"),
    ("running", "/projects/search/production/releases/1"),
    ("restarted", "/projects/mail/production"),
    ("logs", "/projects/shop/production/logs"),
    ("environment", "/projects/shop/production/env"),
    ("addons", "/projects/shop/production/addons"),
    ("variables", "/variables/shop"),
    ("domains", "/projects/shop/production/domains"),
    ("hooks", "/hooks/blog"),
    ("hooks-empty", "/hooks/shop"),
    ("new", "/new"),
    ("stack", "/new/stack"),
    ("catalog", "/catalog"),
    ("instance-variables", "/settings/variables"),
    ("settings", "/settings"),
    ("users", "/settings/users"),
    ("tokens", "/settings/tokens"),
    ("registries", "/settings/registries"),
    ("options", "/projects/shop/production/options"),
    ("staging", "/projects/shop/staging"),
    ("first-release", "/projects/search/production"),
    ("empty-addons", "/projects/docs/production/addons"),
    ("not-found", "/projects/nowhere"),
];

/// (name, page, the button that opens it, words that it shows).
const DIALOGS: [(&str, &str, &str, &str); 19] = [
    ("deploy", "/projects/shop/production", "Deploy another version", "Branch, tag or commit"),
    ("promote", "/projects/shop/production", "Promote", "the very same images"),
    ("describe", "/projects/shop/production", "Describe api", "Capabilities"),
    ("restart-all", "/projects/shop/production", "Restart all", "One after the other"),
    ("clone", "/projects/shop/production/options", "Clone the deployment", "With databases and files"),
    ("move", "/projects/shop/production/options", "Move the deployment", "Project"),
    ("variable", "/projects/shop/production/env", "Add", "Value"),
    ("paste", "/projects/shop/production/env", "Paste .env", "Paste a .env file"),
    ("upgrade", "/projects/shop/production/addons", "Another version of postgres", "Version"),
    ("rotate", "/projects/shop/production/addons", "Rotate the credentials of postgres", "credentials"),
    ("domain", "/projects/shop/production/domains", "Add a domain", "Certificate"),
    ("add-deployment", "/projects/shop", "Add a deployment", "One more full instance"),
    ("source", "/projects/shop", "Change", "The next release uses it"),
    ("login", "/projects/shop", "Set a login", "Token"),
    ("new-secret", "/hooks/blog", "New secret", "The old one ends at once"),
    ("commit-status", "/hooks/blog", "Set a token", "Address of its API"),
    ("token", "/settings/tokens", "Make a token", "Days until it ends"),
    ("backup", "/settings", "Make a backup", "Passphrase"),
    ("package-source", "/catalog", "Add a source", "Source"),
];

#[tokio::test]
#[ignore = "takes pictures for the documents: docs/screenshots/make runs it"]
async fn of_every_page() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    fs::create_dir_all(&folder).unwrap();
    let mut server = Server::options();
    if let Some(addresses) = usual_addresses() {
        server = server.addresses(addresses);
    }
    let server = server.start().await;
    for (width, height) in SIZES {
        let browser = Browser::open(&server, width).await;
        let shots = Shots { browser, folder: folder.clone(), width, height };
        shots.take("setup", "Set up this instance").await;
        shots.browser.close().await;
    }
    for (width, height) in SIZES {
        let shots = Shots { browser: signed_in(&server, width).await, folder: folder.clone(), width, height };
        shots.take("home-empty", "Launch your first project").await;
        shots.browser.close().await;
    }
    let scene = Scene::play(&server).await;
    for (width, height) in SIZES {
        let browser = Browser::open(&server, width).await;
        let shots = Shots { browser, folder: folder.clone(), width, height };
        shots.take("sign-in", "Sign in").await;
        shots.browser.close().await;
        let shots = Shots { browser: signed_in(&server, width).await, folder: folder.clone(), width, height };
        shots.of_pages().await;
        shots.of_dialogs().await;
        shots.of_the_builder().await;
        shots.of_being_away().await;
        shots.browser.close().await;
    }
    many(&server.local()).await;
    for (width, height) in SIZES {
        let shots = Shots { browser: signed_in(&server, width).await, folder: folder.clone(), width, height };
        shots.take("home-many", "documentation-of-the-public").await;
        shots.browser.sees_page(&format!("/projects/{LONG}/production")).await;
        shots.take("long-name", LONG).await;
        shots.browser.close().await;
    }
    scene.end().await;
}

/// The ports without a number in the address, where nobody listens.
fn usual_addresses() -> Option<(std::net::SocketAddr, std::net::SocketAddr)> {
    let (http, https) = ("127.0.0.1:80".parse().ok()?, "127.0.0.1:443".parse().ok()?);
    let is_free = |address: &std::net::SocketAddr| std::net::TcpListener::bind(address).is_ok();
    (is_free(&http) && is_free(&https)).then_some((http, https))
}

struct Shots {
    browser: Browser,
    folder: PathBuf,
    width: u32,
    height: u32,
}

impl Shots {
    async fn of_pages(&self) {
        for (name, page) in PAGES {
            self.browser.sees_page(page).await;
            self.take(name, "").await;
        }
    }

    async fn of_dialogs(&self) {
        let browser = &self.browser;
        browser.sees_page("/").await;
        browser.keys("Control+k").await;
        self.take("palette", "blog / production").await;
        for (name, page, button, words) in DIALOGS {
            browser.sees_page(page).await;
            browser.press(button).await;
            self.take(name, words).await;
        }
        browser.sees_page("/projects/shop/production/options").await;
        browser.press("Delete the deployment").await;
        browser.fill("to confirm", "shop").await;
        browser.submit_dialog().await;
        self.take("delete", "Type production to confirm").await;
        browser.sees_page("/settings").await;
        browser.press("Account and settings").await;
        self.take("account", "Change password").await;
    }

    /// A choice with its code, and where that is to go.
    async fn of_the_builder(&self) {
        let browser = &self.browser;
        browser.sees_page("/new/stack").await;
        browser.press("Begin with Hono, Redis").await;
        browser.fill("Project name", "store").await;
        browser.sees("The repository it becomes").await;
        browser.choose("At your git host").await;
        browser.fill("Repository", "https://git.example.com/team/store.git").await;
        browser.run("document.querySelector('.parts').scrollIntoView({ block: 'center' })").await;
        self.take("builder", "Push and deploy").await;
    }

    async fn of_being_away(&self) {
        let browser = &self.browser;
        browser.sees_page("/projects/shop/production").await;
        browser.set_offline(true).await;
        let is_marked = || async {
            (browser.run("return !!document.querySelector('.connection .mark')").await == true).then_some(())
        };
        wait_for(seconds(30), "the page says that it is cut off", is_marked).await;
        self.take("reconnecting", "shop / production").await;
        browser.press("Domains").await;
        self.take("away", "Trying again").await;
        browser.set_offline(false).await;
    }

    /// Waits for the words, then takes the window in both themes.
    async fn take(&self, name: &str, words: &str) {
        self.browser.sees(words).await;
        for theme in THEMES {
            let feature = json!([{ "name": "prefers-color-scheme", "value": theme }]);
            self.browser.devtools("Emulation.setEmulatedMedia", &json!({ "features": feature })).await;
            self.size_is_right().await;
            self.is_still().await;
            let file = self.folder.join(format!("{name}-{}-{theme}.png", self.width));
            fs::write(file, self.browser.picture().await).unwrap();
        }
    }

    /// The window's frame takes some of its height.
    async fn size_is_right(&self) {
        let size =
            json!({ "width": self.width, "height": self.height, "deviceScaleFactor": 1, "mobile": self.width < 600 });
        self.browser.devtools("Emulation.setScrollbarsHidden", &json!({ "hidden": true })).await;
        self.browser.devtools("Emulation.setDeviceMetricsOverride", &size).await;
    }

    /// Everything has been read and nothing moves.
    async fn is_still(&self) {
        let still = "return document.getAnimations().every(a => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity) \
                     && (!document.querySelector('.skeleton') || !!document.querySelector('.away'))";
        wait_for(seconds(30), "the page is still", || async { (self.browser.run(still).await == true).then_some(()) })
            .await;
    }
}

/// A machine some days into its life.
struct Scene {
    engine: Engine,
    image: String,
    _repositories: Vec<GitRepo>,
}

impl Scene {
    async fn play(server: &Server) -> Self {
        let (admin, engine) = (server.admin().await, Engine::connect().await);
        server.member().await;
        server.viewer().await;
        let shop = shop(&admin).await;
        let blog = blog(&admin).await;
        docs(&admin).await;
        let image = format!("mail-{}:1.4", server.slot().address(2).port());
        engine.build_image(&image, &app("v1")).await;
        mail(server, &admin, &image).await;
        search(&admin).await;
        for path in ["/", "/basket", "/favicon.ico"] {
            server.visit("api-production-shop.localhost", path).await;
        }
        Self { engine, image, _repositories: vec![shop, blog] }
    }

    async fn end(self) {
        self.engine.remove_images(&[self.image]).await;
    }
}

/// Three components, two deployments, a release that failed.
async fn shop(admin: &Client) -> GitRepo {
    let api = |version: &str| app(version).files().into_iter().map(|(path, bytes)| (format!("api/{path}"), bytes));
    let worker = |step: &str| {
        let program = app("worker").build_step(step).files();
        program.into_iter().map(|(path, bytes)| (format!("worker/{path}"), bytes))
    };
    let manifest = "name: Shop\ncomponents:\n  - identifier: web\n    folder: web\n    static: .\n  - identifier: api\n    folder: api\n    env: {include: ['postgres.*', 'cache.REDIS_URL']}\n  - identifier: worker\n    folder: worker\n    env: {include: [postgres.DATABASE_URL, api.API_ENDPOINT]}\naddons:\n  - identifier: postgres\n    package: postgres#15\n  - identifier: cache\n    package: redis#7\n";
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("boathouse.yaml".into(), manifest.into()),
        ("web/index.html".into(), b"<!doctype html><title>Shop</title><h1>Shop</h1>".to_vec()),
    ];
    files.extend(api("v1").chain(worker("")));
    let repo = GitRepo::new(&files);
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    admin.create_project("shop", &source).await;
    let variables = [
        ("DATABASE_URL", "postgres://shop@db.internal/shop", true),
        ("CURRENCY", "EUR", false),
        ("MAIL_FROM", "Shop <orders@shop.example>", false),
    ];
    let set = |(key, value, secret): (&str, &str, bool)| SetEnvVar {
        key: key.parse().unwrap(),
        component: None,
        value: value.into(),
        secret,
    };
    let body = SetEnv { variables: variables.into_iter().map(set).collect() };
    let _: Vec<EnvVar> = admin.put(&format!("{}/env", at("shop", "production")), &body).await.json();
    for (version, message) in
        [("v1", "Checkout in one page"), ("v2", "Search: umlauts"), ("v3", "Basket: show the delivery date (#212)")]
    {
        repo.commit(&api(version).collect::<Vec<_>>(), message);
        admin.must_be_live(released(admin, "shop", "production").await).await;
    }
    shared(admin).await;
    let host = NewHost {
        port: None,
        name: "shop.example.test".parse().unwrap(),
        component: Some("web".parse().unwrap()),
        path: None,
        tls: None,
    };
    admin.post(&format!("{}/hosts", at("shop", "production")), &host).await.ok();
    let staging = NewDeployment {
        name: "staging".parse().unwrap(),
        stage: boathouse_types::DeploymentStage::Staging,
        branch: None,
        lifetime: None,
        wake: None,
    };
    admin.post("/api/v1/projects/shop/deployments", &staging).await.ok();
    released(admin, "shop", "staging").await;
    repo.commit(&worker("RUN [\"/app\", \"--exit\", \"1\"]").collect::<Vec<_>>(), "Worker: send reminders");
    released(admin, "shop", "staging").await;
    moved(admin, "shop", "https://git.example.com/team/shop.git").await;
    repo
}

/// Variables of wider scopes, some of which nobody gets, and which wait to be applied.
async fn shared(admin: &Client) {
    let values = [
        ("/api/v1/env", "REGION", "eu-central", false),
        ("/api/v1/env", "SMTP_HOST", "mail.example.com", false),
        ("/api/v1/projects/shop/env", "CURRENCY", "USD", false),
        ("/api/v1/projects/shop/env", "PAYMENT_KEY", "pk-of-the-shop", true),
        ("/api/v1/projects/shop/stages/staging/env", "PAYMENT_KEY", "pk-of-the-tests", true),
    ];
    for (path, key, value, secret) in values {
        let variable = SetEnvVar { key: key.parse().unwrap(), component: None, value: value.into(), secret };
        admin.put(path, &SetEnv { variables: vec![variable] }).await.ok();
    }
}

async fn blog(admin: &Client) -> GitRepo {
    let repo = GitRepo::new(&[("index.html".to_owned(), b"<!doctype html><title>Blog</title>".to_vec())]);
    repo.commit(&[], "New theme");
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    admin.create_project("blog", &source).await;
    released(admin, "blog", "production").await;
    told(admin, &repo).await;
    moved(admin, "blog", "https://git.example.com/ada/blog.git").await;
    repo
}

/// Of a push by somebody who does not know the secret, of one that deploys, and of the same again.
async fn told(admin: &Client, repo: &GitRepo) {
    let host = GitHost::with_hook(admin, "blog", &repo.url()).await;
    let sha = repo.commit(&[("about.html".to_owned(), b"<!doctype html><title>About</title>".to_vec())], "About us");
    let stranger = GitHost::with_hook(admin, "blog", &repo.url()).await;
    host.push("1", "main", &sha).await;
    stranger.push("2", "main", &sha).await.ok();
    let decided = decided(admin, "blog").await;
    if let Some(number) = decided.decisions.iter().find_map(|decision| decision.release) {
        let path = format!("{}/releases/{number}", at("blog", "production"));
        let release: Release = admin.read(&path).await;
        admin.ended(&release).await;
    }
    stranger.push("3", "main", &sha).await.ok();
    // While its repository is where it was.
    crate::harness::decided(admin, "blog").await;
    admin.post("/api/v1/projects/blog/hook/token", &()).await.ok();
}

/// Stopped by hand.
async fn docs(admin: &Client) {
    admin.create_project("docs", &upload()).await;
    let path = format!("{}/releases/upload?name=docs.tar.gz", at("docs", "production"));
    let archive = tar_gz(&[("index.html", b"<!doctype html><title>Docs</title>".as_slice())]);
    let release: Release = admin.send(http::Method::POST, &path, Some(("application/gzip", archive))).await.json();
    admin.ended(&release).await;
    admin.post(&format!("{}/stop", at("docs", "production")), &()).await.ok();
}

/// Ends again and again.
async fn mail(server: &Server, admin: &Client, image: &str) {
    admin.create_project("mail", &Source::Image { image: image.parse().unwrap() }).await;
    released(admin, "mail", "production").await;
    wait_for(seconds(60), "mail is down", || async {
        let asked = Client::over_https("mail.localhost", server.https(), &server.root().await);
        drop(asked.try_send(http::Method::GET, "/exit?1", None).await);
        let mail = admin.deployment("mail", "production").await;
        mail.containers.iter().any(|container| container.restarts > 2).then_some(())
    })
    .await;
}

/// As long as a name can be.
const LONG: &str = "documentation-of-the-public-interface-v2";

/// Twelve and more of them, as they were created a moment ago.
async fn many(admin: &Client) {
    for name in ["accounts", "billing", "crawler", "dashboard", "exports", "feedback", "gallery", LONG] {
        admin.create_project(name, &upload()).await;
    }
}

/// Is being built.
async fn search(admin: &Client) {
    admin.create_project("search", &upload()).await;
    admin.upload("search", app("v1").build_step(r#"RUN ["/app", "--listen", "never"]"#).archive()).await;
}

async fn released(admin: &Client, project: &str, deployment: &str) -> Release {
    let path = format!("{}/releases", at(project, deployment));
    let release: Release = admin.post(&path, &NewRelease::default()).await.json();
    admin.ended(&release).await
}

/// The folder of the test is not where people keep their repositories.
async fn moved(admin: &Client, project: &str, url: &str) {
    let source = Source::Git { url: url.parse().unwrap(), branch: Some("main".parse().unwrap()), folder: None };
    let change = ChangeProject { source: Some(source), ..Default::default() };
    let _: Project = admin.patch(&format!("/api/v1/projects/{project}"), &change).await.json();
}
