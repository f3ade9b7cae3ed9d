//! Headless Chromium as a visitor of the console: it sees words, presses what carries them and fills in what they label.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::harness::{Apart, Server, seconds, wait_for};

/// How long the page may take to show what is waited for; builds run beside.
const PATIENCE: Duration = seconds(20);
const CONSOLE: &str = "boathouse.localhost";
/// A page that has not begun by then will not begin by itself.
const STUCK: Duration = seconds(10);
/// Characters of the page that a failed story shows.
const SHOWN: usize = 3000;
/// Everything that the loading of a page may refuse or complain about ends up in this log of the browser.
const BROWSER_LOG: &str = "goog:loggingPrefs";

/// A window of a browser at the console of one server.
pub struct Browser {
    page: Client,
    driver: Child,
    driver_url: String,
    home: String,
    /// What the page showed when somebody looked last: a story that fails tells it.
    seen: Mutex<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a window of this width at the console's first page.
    pub async fn open(server: &Server, width: u32) -> Self {
        let (driver, driver_url) = start_driver(server);
        let profile = tempfile::tempdir().unwrap();
        let page = connect(&driver_url, profile.path(), width).await;
        let browser =
            Self { page, driver, driver_url, home: server.url(CONSOLE, ""), seen: Mutex::default(), _profile: profile };
        browser.go("/").await;
        browser
    }

    /// Opens a page of the console.
    pub async fn go(&self, path: &str) {
        let (url, what) = (format!("{}{path}", self.home), format!("{path} is open"));
        wait_for(PATIENCE, &what, || async { self.page.goto(&url).await.ok() }).await;
    }

    /// Waits until the page shows this text.
    pub async fn sees(&self, text: &str) {
        self.within(PATIENCE, text).await;
    }

    /// Waits longer, for builds.
    pub async fn sees_within(&self, patience: Duration, text: &str) {
        self.within(patience, text).await;
    }

    async fn within(&self, patience: Duration, text: &str) {
        let (what, began) = (format!("the page shows {text:?}"), Instant::now());
        wait_for(patience, &what, || async {
            self.load_again_where_stuck(began).await;
            self.text().await.contains(text).then_some(())
        })
        .await;
    }

    /// A changing network can cut the script that would try again; then the page offers to load it again, and a person would.
    async fn load_again_where_stuck(&self, began: Instant) {
        if began.elapsed() > STUCK
            && let Ok(offer) = self.page.find(Locator::Css("#boot a")).await
        {
            drop(offer.click().await);
        }
    }

    /// Waits until the page does not show this text any more.
    pub async fn sees_no_more(&self, text: &str) {
        let what = format!("the page shows {text:?} no more");
        wait_for(PATIENCE, &what, || async { (!self.text().await.contains(text)).then_some(()) }).await;
    }

    /// What the page shows, as a person reads it.
    pub async fn text(&self) -> String {
        let text = self.run("return document.body?.innerText").await.as_str().unwrap_or_default().to_owned();
        if text.contains("ERR_NETWORK_CHANGED") {
            self.load_again_where_cut().await;
        }
        self.seen.lock().unwrap().clone_from(&text);
        text
    }

    /// What cut the loading of the page itself, even after the driver has called it loaded, leaves a page of the browser's own; a person
    /// would load it again.
    async fn load_again_where_cut(&self) {
        if self
            .page
            .execute("return location.protocol", Vec::new())
            .await
            .is_ok_and(|protocol| protocol == "chrome-error:")
        {
            drop(self.page.refresh().await);
        }
    }

    /// Presses the visible button or link whose words or label these are.
    pub async fn press(&self, words: &str) {
        let w = quoted(words);
        let path = format!("//*[self::button or self::a or self::summary][normalize-space()={w} or @aria-label={w}]");
        self.act(&path, |element| self.click(element)).await;
    }

    /// What something else covers is brought into the middle first, as a person would scroll.
    async fn click(&self, element: Element) -> Result<(), fantoccini::error::CmdError> {
        let clicked = element.click().await;
        if clicked.is_err() {
            let script = "arguments[0].scrollIntoView({ block: 'center' })";
            self.page.execute(script, vec![serde_json::to_value(&element)?]).await?;
        }
        clicked
    }

    /// Fills in the visible input with this label.
    pub async fn fill(&self, label: &str, value: &str) {
        let path =
            format!("//label[span[contains(normalize-space(), {})]]//*[self::input or self::textarea]", quoted(label));
        let element = self.visible(&path).await;
        element.clear().await.unwrap();
        element.send_keys(value).await.unwrap();
    }

    /// Chooses the option with these words.
    pub async fn choose(&self, words: &str) {
        let path = format!("//label[.//strong[normalize-space()={}]]", quoted(words));
        self.act(&path, |element| async move { element.click().await }).await;
    }

    /// Chooses a value in the visible list with this label.
    pub async fn select(&self, label: &str, value: &str) {
        let path = format!("//label[span[normalize-space()={}]]//select", quoted(label));
        let list = self.visible(&path).await;
        list.select_by_value(value).await.unwrap();
    }

    /// Presses the button that sends the form of the open dialog.
    pub async fn submit_dialog(&self) {
        self.run("document.querySelector('dialog[open] button[type=submit]').click()").await;
    }

    /// Gives a file to the one file input.
    pub async fn attach(&self, file: &Path) {
        let path = file.to_str().unwrap().to_owned();
        wait_for(PATIENCE, "there is a file input", || async {
            let input = self.page.find(Locator::Css("input[type=file]")).await.ok()?;
            input.send_keys(&path).await.ok()
        })
        .await;
    }

    /// Opens a page and waits until it has a heading: then its content is drawn.
    pub async fn sees_page(&self, path: &str) {
        self.go(path).await;
        let what = format!("{path} has a heading");
        let began = Instant::now();
        wait_for(PATIENCE, &what, || async {
            self.load_again_where_stuck(began).await;
            self.load_again_where_cut().await;
            self.page.find(Locator::Css("main h1")).await.ok()
        })
        .await;
    }

    /// Presses a key, or a key with Control ("Control+k"), wherever the cursor is.
    pub async fn keys(&self, key: &str) {
        let (control, key) = key.strip_prefix("Control+").map_or((false, key), |key| (true, key));
        let script = format!(
            "(document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', {{ key: {}, ctrlKey: {control}, bubbles: true, cancelable: true }}))",
            json!(key)
        );
        self.run(&script).await;
    }

    /// Types into what has the cursor.
    pub async fn types(&self, text: &str) {
        self.page.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    /// Waits until the address ends like this.
    pub async fn is_at(&self, end: &str) {
        let what = format!("the address ends with {end:?}");
        wait_for(PATIENCE, &what, || async {
            self.text().await;
            self.page.current_url().await.unwrap().path().ends_with(end).then_some(())
        })
        .await;
    }

    /// Panics if the browser had anything to complain about so far, but for answers with these statuses.
    pub async fn must_be_quiet(&self, expected: &[u16]) {
        let complaints = self.complaints().await;
        // Container networks come and go beside the browser; it then cuts its requests, and the page tries again. And that a
        // preloaded file waits for seconds says that the machine is busy; that it is the right one, another story tells.
        let is_expected = |line: &&String| {
            line.contains("ERR_NETWORK_CHANGED")
                || line.contains("was preloaded using link preload but not used within a few seconds")
                || expected.iter().any(|status| line.contains(&format!("status of {status}")))
        };
        let unexpected: Vec<_> = complaints.iter().filter(|line| !is_expected(line)).collect();
        assert!(unexpected.is_empty(), "the browser's console says {unexpected:#?}");
    }

    /// What the browser has complained about since this was asked last.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.driver("se/log", &json!({ "type": "browser" })).await;
        let lines = log.as_array().expect("a list of messages");
        lines.iter().filter_map(|line| Some(line["message"].as_str()?.to_owned())).collect()
    }

    /// Cuts everything between the browser and the world, or joins it again.
    pub async fn set_offline(&self, offline: bool) {
        let conditions = json!({ "offline": offline, "latency": 0, "throughput": 1 << 30 });
        self.driver("chromium/network_conditions", &json!({ "network_conditions": conditions })).await;
    }

    /// Lets requests fail whose address is like one of these (`*` stands for anything).
    pub async fn block(&self, addresses: &[&str]) {
        self.devtools("Network.enable", &json!({})).await;
        self.devtools("Network.setBlockedURLs", &json!({ "urls": addresses })).await;
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, params: &Value) -> Value {
        self.driver("goog/cdp/execute", &json!({ "cmd": command, "params": params })).await
    }

    /// A command of the driver that is not in the WebDriver standard.
    async fn driver(&self, command: &str, body: &Value) -> Value {
        let id = self.page.session_id().await.unwrap().unwrap();
        let url = format!("{}/session/{id}/{command}", self.driver_url);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.post(url).body(body.to_string()).send().await.unwrap();
        let mut answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{command}: {value:#}");
        value
    }

    /// The window as a PNG.
    pub async fn picture(&self) -> Vec<u8> {
        self.page.screenshot().await.unwrap()
    }

    /// From here on [`Browser::must_not_have_reloaded`] can tell.
    pub async fn remember_this_page(&self) {
        self.run("window.remembered = true").await;
    }

    /// Panics if the page was loaded anew since [`Browser::remember_this_page`].
    pub async fn must_not_have_reloaded(&self) {
        assert_eq!(self.run("return window.remembered === true").await, true, "the page was loaded anew");
    }

    /// Panics if the page is wider than the window.
    pub async fn must_not_scroll_sideways(&self) {
        let over = self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        // Below zero while a scroll bar comes or goes.
        let over = over.as_f64().unwrap();
        assert!(over <= 0.0, "{} is {over} px too wide", self.page.current_url().await.unwrap());
    }

    /// Runs a script in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap()
    }

    /// Acts on the visible element; the page may draw it anew at any time, then it is looked for again.
    async fn act<F>(&self, path: &str, act: impl Fn(Element) -> F)
    where
        F: Future<Output = Result<(), fantoccini::error::CmdError>>,
    {
        let what = format!("{path} can be used");
        wait_for(PATIENCE, &what, || async {
            let element = self.find(path).await?;
            act(element).await.ok()
        })
        .await;
    }

    async fn visible(&self, path: &str) -> Element {
        let what = format!("{path} is shown");
        wait_for(PATIENCE, &what, || self.find(path)).await
    }

    async fn find(&self, path: &str) -> Option<Element> {
        for element in self.page.find_all(Locator::XPath(path)).await.ok()? {
            if element.is_displayed().await.unwrap_or(false) && element.is_enabled().await.unwrap_or(false) {
                return Some(element);
            }
        }
        self.load_again_where_cut().await;
        None
    }

    /// Closes the window.
    pub async fn close(self) {
        drop(self.page.clone().close().await);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that a failed story left open would go on using the processor.
        if let Some(group) = rustix::process::Pid::from_raw(self.driver.id().cast_signed()) {
            _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        drop(self.driver.wait());
        if std::thread::panicking() {
            let seen: String = self.seen.lock().map(|seen| seen.chars().take(SHOWN).collect()).unwrap_or_default();
            eprintln!("the page showed:\n{seen}\n");
        }
    }
}

/// The words as a string of XPath.
fn quoted(words: &str) -> String {
    assert!(!words.contains('"'), "no story needs both quotes");
    format!("\"{words}\"")
}

/// Starts chromedriver on a port that it chooses itself.
/// With a network of its own, where this may be made: others' containers come and go.
fn start_driver(server: &Server) -> (Child, String) {
    let is_apart = rustix::process::geteuid().is_root();
    let mut driver = if is_apart { Apart::command("chromedriver") } else { Command::new("chromedriver") };
    let mut driver = driver
        .arg("--port=0")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed (Debian: chromium-driver)");
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = lines
        .filter_map(|line| line.strip_suffix('.')?.rsplit_once("on port ").map(|(_, port)| port.to_owned()))
        .next();
    let mut address =
        SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("chromedriver says its port").parse().unwrap()));
    if is_apart {
        let network = Apart::of(&driver);
        network.lend(server.http());
        network.lend(server.https());
        address = network.borrow(address.port());
    }
    (driver, format!("http://{address}"))
}

/// Chromium without windows takes two thirds of the processor time. It opens no page by itself, which the driver waits for.
const SHELL: &str = "#!/bin/sh\nexec chromium-headless-shell \"$@\" about:blank\n";

fn shell(folder: &Path) -> PathBuf {
    let path = folder.join("shell");
    std::fs::write(&path, SHELL).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn connect(driver_url: &str, profile: &Path, width: u32) -> Client {
    let args = [
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-http2".to_owned(),
        "--no-first-run".to_owned(),
        "--force-device-scale-factor=1".to_owned(),
        format!("--window-size={width},900"),
        format!("--user-data-dir={}", profile.display()),
    ];
    // Narrower than the narrowest window that the browser makes.
    let metrics = json!({ "deviceMetrics": { "width": width, "height": 800, "pixelRatio": 1.0, "touch": false } });
    let mut options = json!({ "args": args, "binary": shell(profile) });
    if width < 600 {
        options["mobileEmulation"] = metrics;
    }
    let capabilities = json!({
        "acceptInsecureCerts": true,
        BROWSER_LOG: { "browser": "WARNING" },
        "goog:chromeOptions": options,
    });
    let capabilities = capabilities.as_object().unwrap().clone();
    let connector = hyper_util::client::legacy::connect::HttpConnector::new();
    ClientBuilder::new(connector).capabilities(capabilities).connect(driver_url).await.expect("Chromium starts")
}
