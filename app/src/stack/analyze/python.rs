//! Python: Django, FastAPI, Flask, Streamlit, and programs that are simply started.

use boathouse_types::Topic;

use super::app::App;
use super::folder::Folder;
use super::python_packages::{Install, dependencies, python};

const PYTHON: &str = "3.13";
const PORT: u16 = 8000;
const IGNORE: &str = ".git\n.venv\nvenv\n__pycache__\n*.pyc\n.env\n.env.*\n";
/// How deep the file with the application may lie.
const MAX_DEPTH: usize = 3;

/// What starts the server, and the package that the line needs.
struct Start {
    command: String,
    needs: Option<&'static str>,
}

/// A folder with a list of Python packages.
pub fn detect(folder: &Folder<'_>) -> Option<App> {
    let install = Install::of(folder)?;
    let packages = dependencies(folder);
    let has = |name: &str| packages.iter().any(|package| package == name);
    let mut app = App::of(folder, "Python");
    let fact = format!("packages are installed by {}", install.name);
    app.found(Topic::PackageManager, install.name, folder, install.file, fact.clone());
    if install.file.ends_with(".lock") {
        app.found(Topic::LockFile, install.file, folder, install.file, fact);
    }
    let start = start(folder, &has, &mut app);
    app.runs = start.is_some();
    app.needs_of(folder, install.file, packages.iter().map(String::as_str));
    let tag = match python(folder) {
        Some((file, tag)) => {
            app.found(Topic::Language, format!("Python {tag}"), folder, file, format!("Python {tag}"));
            tag
        }
        None => {
            app.usually(Topic::Language, format!("Python {PYTHON}"));
            PYTHON.to_owned()
        }
    };
    let start = start.unwrap_or_else(|| {
        app.warn("no server was found: neither Django, FastAPI nor Flask, and no main.py or app.py");
        Start { command: "python main.py".to_owned(), needs: None }
    });
    let more = start.needs.filter(|name| !has(name)).map_or_else(String::new, |name| {
        app.warn(format!("{name} is not among the packages: the Dockerfile installs it"));
        format!("RUN pip install --no-cache-dir {name}\n")
    });
    let copied = if install.whole {
        String::new()
    } else {
        format!("COPY {} ./\nRUN {}\n{more}", install.copied.join(" "), install.line)
    };
    let whole = if install.whole { format!("RUN {}\n{more}", install.line) } else { String::new() };
    app.port = Some(PORT);
    app.usually(Topic::Port, PORT.to_string());
    app.usually(Topic::Start, start.command.as_str());
    app.ignore = IGNORE;
    app.dockerfile = Some(format!(
        "FROM python:{tag}-slim\nENV PYTHONUNBUFFERED=1 PORT={PORT}\nWORKDIR /app\n{copied}COPY . .\n{whole}\
         RUN useradd --uid 10001 --no-create-home app\nUSER app\nEXPOSE {PORT}\nCMD [\"sh\", \"-c\", {}]\n",
        serde_json::Value::from(start.command)
    ));
    Some(app)
}

fn start(folder: &Folder<'_>, has: &dyn Fn(&str) -> bool, app: &mut App) -> Option<Start> {
    if has("django") && folder.has("manage.py") {
        let wsgi = shallow(folder).find(|name| name.ends_with("/wsgi.py"))?.to_owned();
        let module = wsgi.trim_end_matches(".py").replace('/', ".");
        app.name = "Django".to_owned();
        app.found(Topic::Framework, "Django", folder, &wsgi, "Django's application");
        let command = format!("python manage.py migrate --noinput && exec gunicorn --bind 0.0.0.0:$PORT {module}");
        return Some(Start { command, needs: Some("gunicorn") });
    }
    for (package, class, name, needs) in [
        ("fastapi", "FastAPI(", "FastAPI", "uvicorn"),
        ("starlette", "Starlette(", "Starlette", "uvicorn"),
        ("flask", "Flask(", "Flask", "gunicorn"),
    ] {
        if let Some((file, variable)) = has(package).then(|| instance(folder, class)).flatten() {
            app.name = name.to_owned();
            app.found(Topic::Framework, name, folder, &file, format!("{variable} = {class}…)"));
            let module = file.trim_end_matches(".py").replace('/', ".");
            let command = match needs {
                "uvicorn" => format!("exec uvicorn {module}:{variable} --host 0.0.0.0 --port $PORT"),
                _ => format!("exec gunicorn --bind 0.0.0.0:$PORT {module}:{variable}"),
            };
            return Some(Start { command, needs: Some(needs) });
        }
    }
    let main = folder.first(&["main.py", "app.py", "server.py", "bot.py", "src/main.py"])?;
    app.found(Topic::Start, format!("python {main}"), folder, main, "is started");
    if has("streamlit") {
        app.name = "Streamlit".to_owned();
        let command = format!("exec streamlit run {main} --server.address 0.0.0.0 --server.port $PORT");
        return Some(Start { command, needs: None });
    }
    Some(Start { command: format!("exec python {main}"), needs: None })
}

fn shallow<'f>(folder: &'f Folder<'_>) -> impl Iterator<Item = &'f str> {
    let code = |name: &&str| name.ends_with(".py") && name.split('/').count() <= MAX_DEPTH && !name.contains("test");
    folder.files().filter(code)
}

/// The file that makes the application, and the variable that it is in.
fn instance(folder: &Folder<'_>, class: &str) -> Option<(String, String)> {
    let mut files: Vec<&str> = shallow(folder).collect();
    files.sort_by_key(|name| (name.split('/').count(), *name));
    files.into_iter().find_map(|file| {
        let text = folder.text(file)?;
        let line = text.lines().find(|line| line.contains(class) && !line.starts_with([' ', '\t', '#']))?;
        let variable = line.split(['=', ':']).next()?.trim().to_owned();
        let is_name = !variable.is_empty() && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| (file.to_owned(), variable))
    })
}
