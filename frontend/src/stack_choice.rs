//! A stack that is being chosen: its parts with their names, and the files that it becomes, as a tree.

use boathouse_types::{CatalogPackage, Identifier, PartChoice, StackChoice, StackFile, Starter};

/// A part that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Counts up; tells two of the same package apart.
    pub id: u32,
    pub package: Identifier,
    pub is_addon: bool,
    /// As typed; checked when it is sent.
    pub identifier: String,
    /// The usual one where empty.
    pub version: String,
}

/// All that was chosen, in the order in which it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    parts: Vec<Part>,
    next: u32,
}

impl Chosen {
    /// Adds a package, named after itself, or with a number where that name is taken; and what it cannot do without.
    pub fn add(&mut self, package: &CatalogPackage, catalog: &[CatalogPackage]) {
        let missing: Vec<&CatalogPackage> = package
            .dependencies
            .iter()
            .filter(|needed| !self.parts.iter().any(|part| part.package == **needed))
            .filter_map(|needed| catalog.iter().find(|other| other.identifier == *needed))
            .collect();
        let identifier = self.free_name(package.identifier.as_str());
        self.parts.push(Part {
            id: self.next,
            package: package.identifier.clone(),
            is_addon: package.kind == ADDON,
            identifier,
            version: String::new(),
        });
        self.next += 1;
        for needed in missing {
            self.add(needed, catalog);
        }
    }

    /// The parts of a starter, under the names that it gives them.
    pub fn of(starter: &Starter, catalog: &[CatalogPackage]) -> Self {
        let mut chosen = Self::default();
        for part in starter.components.iter().chain(&starter.addons) {
            let (package, version) = part.package.split_once('#').unwrap_or((&part.package, ""));
            let Some(package) = catalog.iter().find(|known| known.identifier.as_str() == package) else { continue };
            let id = chosen.next;
            chosen.add(package, catalog);
            chosen.change(id, |own| {
                own.version = version.to_owned();
                own.identifier = part.identifier.as_ref().map_or_else(|| own.identifier.clone(), ToString::to_string);
            });
        }
        chosen
    }

    fn free_name(&self, wanted: &str) -> String {
        let is_free = |name: &str| !self.parts.iter().any(|part| part.identifier == name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
    }

    /// Takes a part out.
    pub fn remove(&mut self, id: u32) {
        self.parts.retain(|part| part.id != id);
    }

    /// Changes a part.
    pub fn change(&mut self, id: u32, change: impl FnOnce(&mut Part)) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.id == id) {
            change(part);
        }
    }

    /// Components first, as they are listed.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.components().chain(self.addons())
    }

    fn components(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !part.is_addon)
    }

    fn addons(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.is_addon)
    }

    /// How often a package was chosen.
    pub fn count(&self, package: &Identifier) -> usize {
        self.parts.iter().filter(|part| part.package == *package).count()
    }

    /// What the server is asked for, or the rule that a name breaks.
    pub fn choice(&self, project: &str) -> Result<StackChoice, String> {
        let name = project.trim().parse().map_err(|problem| format!("Project name: {problem}."))?;
        let choose = |part: &Part| {
            let identifier =
                part.identifier.trim().parse().map_err(|problem| format!("{}: {problem}.", part.package))?;
            let package = match part.version.as_str() {
                "" => part.package.to_string(),
                version => format!("{}#{version}", part.package),
            };
            Ok::<_, String>(PartChoice { package, identifier: Some(identifier) })
        };
        let components = self.components().map(choose).collect::<Result<Vec<_>, _>>()?;
        if components.is_empty() {
            return Err("Choose at least one component: an add-on alone has no users.".to_owned());
        }
        Ok(StackChoice { name, components, addons: self.addons().map(choose).collect::<Result<_, _>>()? })
    }
}

/// The words of the API for what users reach, and for what only components do.
pub const COMPONENT: &str = "component";
pub const ADDON: &str = "addon";

/// Packages whose name, description, category or alias holds all the words.
pub fn matching<'a>(catalog: &'a [CatalogPackage], kind: &str, words: &str) -> Vec<&'a CatalogPackage> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let text = |package: &CatalogPackage| {
        let all = [package.name.as_str(), &package.description, &package.category, package.identifier.as_str()];
        format!("{} {}", all.join(" "), package.aliases.join(" ")).to_lowercase()
    };
    let fits = |package: &&CatalogPackage| words.iter().all(|word| text(package).contains(word));
    catalog.iter().filter(|package| package.kind == kind).filter(fits).collect()
}

/// A folder or a file, as a line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    pub depth: usize,
    pub name: String,
    /// The place of the file in the preview; none for a folder.
    pub file: Option<usize>,
}

/// The files as a tree: folders first, each once.
pub fn tree(files: &[StackFile]) -> Vec<Branch> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    let key = |index: &usize| {
        let mut parts: Vec<(bool, &str)> = files[*index].path.split('/').map(|part| (false, part)).collect();
        if let Some(last) = parts.last_mut() {
            // Files of a folder come after its folders.
            last.0 = true;
        }
        parts
    };
    order.sort_by_key(key);
    let (mut lines, mut open): (Vec<Branch>, Vec<&str>) = (Vec::new(), Vec::new());
    for index in order {
        let mut folders: Vec<&str> = files[index].path.split('/').collect();
        let name = folders.pop().unwrap_or_default();
        let common = open.iter().zip(&folders).take_while(|(one, other)| one == other).count();
        open.truncate(common);
        for folder in &folders[common..] {
            lines.push(Branch { depth: open.len(), name: (*folder).to_owned(), file: None });
            open.push(folder);
        }
        lines.push(Branch { depth: open.len(), name: name.to_owned(), file: Some(index) });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, kind: &str, needs: &[&str]) -> CatalogPackage {
        serde_json::from_value(serde_json::json!({
            "identifier": name, "kind": kind, "name": name.to_uppercase(), "description": "Serves pages", "category": "web framework",
            "aliases": ["short"], "icon": "", "image": null, "versions": [], "port": null, "parameters": [], "connection_strings": [],
            "storage": [], "dependencies": needs, "backup": false, "rotates": null, "readme": "",
        }))
        .unwrap()
    }

    #[test]
    fn parts_get_names_of_their_own_and_bring_what_they_need() {
        let catalog = [
            package("node", "component", &[]),
            package("ghost", "component", &["mariadb"]),
            package("mariadb", "addon", &[]),
        ];
        let mut chosen = Chosen::default();
        for index in [0, 0, 1, 1] {
            chosen.add(&catalog[index], &catalog);
        }
        let names: Vec<&str> = chosen.parts().map(|part| part.identifier.as_str()).collect();
        assert_eq!(names, ["node", "node-2", "ghost", "ghost-2", "mariadb"]);
        chosen.remove(0);
        chosen.change(1, |part| part.identifier = "api".to_owned());
        chosen.change(3, |part| part.version = "11".to_owned());
        let choice = chosen.choice("shop").unwrap();
        assert_eq!(
            (choice.components[0].identifier.as_ref().unwrap().as_str(), choice.addons[0].package.as_str()),
            ("api", "mariadb#11")
        );
    }

    #[test]
    fn a_starter_is_a_choice_like_any_other() {
        let catalog = [package("node", "component", &[]), package("postgres", "addon", &[])];
        let starter: Starter = serde_json::from_value(serde_json::json!({
            "identifier": "usual", "name": "Usual", "description": "What most begin with.",
            "components": [{"package": "node", "identifier": "web"}, {"package": "gone"}], "addons": [{"package": "postgres#16"}],
        }))
        .unwrap();
        let choice = Chosen::of(&starter, &catalog).choice("shop").unwrap();
        let parts = |all: &[PartChoice]| {
            all.iter().map(|part| format!("{}={}", part.identifier.as_ref().unwrap(), part.package)).collect::<Vec<_>>()
        };
        assert_eq!(
            (parts(&choice.components), parts(&choice.addons)),
            (vec!["web=node".to_owned()], vec!["postgres=postgres#16".to_owned()])
        );
    }

    #[test]
    fn what_cannot_be_made_is_said_before_it_is_asked_for() {
        let mut chosen = Chosen::default();
        assert!(chosen.choice("shop").unwrap_err().contains("at least one component"));
        chosen.add(&package("node", "component", &[]), &[]);
        assert!(chosen.choice("No Name").unwrap_err().starts_with("Project name"));
        chosen.change(0, |part| part.identifier = "Not so".to_owned());
        assert!(chosen.choice("shop").unwrap_err().starts_with("node: "));
    }

    #[test]
    fn words_find_packages() {
        let catalog = [package("node", "component", &[]), package("redis", "addon", &[])];
        let found = |kind: &str, words: &str| matching(&catalog, kind, words).len();
        assert_eq!((found("component", ""), found("component", "PAGES node"), found("component", "redis")), (1, 1, 0));
        assert_eq!((found("addon", "short"), found("addon", "web frame")), (1, 1));
    }

    #[test]
    fn files_are_a_tree() {
        let file = |path: &str| StackFile { path: path.to_owned(), text: String::new() };
        let files = ["README.md", "web/src/a.ts", "web/package.json", "boathouse.yaml", "web/src/b.ts"].map(file);
        let lines: Vec<String> =
            tree(&files).iter().map(|line| format!("{}{}", "  ".repeat(line.depth), line.name)).collect();
        assert_eq!(lines, ["web", "  src", "    a.ts", "    b.ts", "  package.json", "README.md", "boathouse.yaml"]);
    }
}
