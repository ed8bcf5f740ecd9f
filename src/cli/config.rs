//! The configuration file: settings, and connections with names.

use anyhow::Context as _;
use diesel_shell::files;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How long the file may be, in bytes.
const LONGEST: u64 = 1 << 20;

/// What the file can say. Everything may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How results are shown: a mode of `.mode`.
    pub mode: Option<String>,
    /// What stands for NULL.
    pub null: Option<String>,
    /// `auto`, `on` or `off`.
    pub pager: Option<String>,
    /// `emacs` or `vi`.
    pub keys: Option<String>,
    /// Whether what is typed is kept for later sessions.
    pub history: Option<bool>,
    /// `dark` or `light`.
    pub theme: Option<String>,
    /// From how many rows on `set` and `delete` ask.
    pub confirm: Option<usize>,
    /// How many seconds locks of others are waited for while a change is tried out; 0 is not at all.
    pub lock_timeout: Option<f64>,
    /// The prompt, with `{database}` and `{staged}`.
    pub prompt: Option<String>,
    /// How servers are reached.
    #[serde(default)]
    pub network: Network,
    /// Connections by name.
    #[serde(default)]
    pub connections: BTreeMap<String, Connection>,
}

/// Bounds for connections over a network, in seconds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// How long making a connection may take.
    pub connect_timeout: Option<u64>,
    /// After how much silence the server is asked whether it is still there.
    pub keepalives_idle: Option<u64>,
    /// How long what was sent may stay unacknowledged.
    pub tcp_user_timeout: Option<u64>,
    /// How long a server that is away is waited for.
    pub wait: Option<u64>,
}

impl Network {
    /// With what is not said as it is by itself.
    pub fn bounds(&self, pooler: Option<bool>) -> diesel_shell::database::network::Network {
        let standard = diesel_shell::database::network::Network::default();
        let seconds = |said: Option<u64>, otherwise| said.map_or(otherwise, std::time::Duration::from_secs);
        diesel_shell::database::network::Network {
            connect_timeout: seconds(self.connect_timeout, standard.connect_timeout),
            keepalives_idle: seconds(self.keepalives_idle, standard.keepalives_idle),
            tcp_user_timeout: seconds(self.tcp_user_timeout, standard.tcp_user_timeout),
            wait: seconds(self.wait, standard.wait),
            pooler,
            commit_markers: false,
        }
    }
}

/// A database with a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Where it is.
    pub url: String,
    /// Let the database refuse every write.
    #[serde(default)]
    pub read_only: bool,
    /// Refuse what would empty the database: `.reset`, `db drop-all`.
    #[serde(default)]
    pub protected: bool,
    /// Whether a pooler stands between that gives each transaction another backend; found out where it is not said.
    pub pooler: Option<bool>,
    /// Whether commits are looked up by markers in a table where their answer is lost.
    #[serde(default)]
    pub commit_markers: bool,
    /// A word for the prompt.
    pub label: Option<String>,
    /// By model, the field by which its records are named, where no unique index says so.
    #[serde(default)]
    pub natural_keys: BTreeMap<String, String>,
    /// From how many rows on `set` and `delete` ask; 0 is always.
    pub confirm: Option<usize>,
}

/// Where the file is looked for.
pub fn path() -> Option<PathBuf> {
    dirs::config_dir().map(|folder| folder.join("diesel-shell").join("config.toml"))
}

/// The file, or nothing when there is none.
///
/// # Errors
/// When it cannot be read, or says something that is not known, with its line.
pub fn load() -> anyhow::Result<Config> {
    let Some(path) = path() else { return Ok(Config::default()) };
    let text = match files::read_text(&path, LONGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    parse(&text).with_context(|| format!("{} is not as it should be", path.display()))
}

/// The configuration that a text says.
///
/// # Errors
/// When it says something that is not known, with its line.
pub fn parse(text: &str) -> Result<Config, toml::de::Error> {
    toml::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use diesel_shell::shell::SETTINGS;

    #[test]
    fn the_file_knows_the_settings_that_say_so() {
        for setting in SETTINGS {
            let written = ["\"auto\"", "1"].iter().any(|value| parse(&format!("{} = {value}", setting.name)).is_ok());
            assert_eq!(written, setting.in_config, "{}", setting.name);
        }
    }
}
