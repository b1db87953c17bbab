//! What records videos of test runs: an ffmpeg at the place where Playwright expects its own.
//!
//! Both runners look for it in one directory, under a name with a revision in it, and every test fails where videos
//! are asked for and it is not there. So it is the system's, if that knows the format, otherwise the one of a Python
//! package; and where neither can be had, runs are made without video.

use super::setup::{SetupError, Step};
use super::{Search, find, interpreter, python, step};
use std::fs;
use std::path::{Path, PathBuf};

/// The package with a static ffmpeg in it. Its version is in the name of its directory, so that another one is
/// installed anew.
const PACKAGE: &str = "imageio-ffmpeg==0.6.0";
/// Where the programs lie in it.
const BINARIES: &str = "imageio_ffmpeg/binaries";
/// The name of the program for Playwright.
const PROGRAM: &str = if cfg!(target_os = "macos") { "ffmpeg-mac" } else { "ffmpeg-linux" };

/// The directory in which Playwright finds its recorder.
pub(super) fn installed(search: &Search) -> Option<PathBuf> {
    find::is_program(&place(search)?).then(|| dir(search))
}

/// The recorder itself, if it is there.
pub(super) fn program(search: &Search) -> Option<PathBuf> {
    place(search).filter(|path| find::is_program(path))
}

/// Puts a recorder there, unless that is done already.
pub(super) async fn install(
    search: &Search,
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<Option<PathBuf>, SetupError> {
    if let Some(dir) = installed(search) {
        return Ok(Some(dir));
    }
    let Some(place) = place(search) else { return Ok(None) };
    progress(Step::Video);
    let ffmpeg = match of_the_system(search).await {
        Some(ffmpeg) => ffmpeg,
        None => packaged(search).await?,
    };
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(|source| SetupError::io(parent, source))?;
    }
    if place.is_symlink() {
        fs::remove_file(&place).map_err(|source| SetupError::io(&place, source))?;
    }
    std::os::unix::fs::symlink(ffmpeg, &place).map_err(|source| SetupError::io(&place, source))?;
    Ok(installed(search))
}

fn dir(search: &Search) -> PathBuf {
    search.tools_dir.join("video")
}

/// Where the installed Playwright expects the program; nothing without a Playwright.
fn place(search: &Search) -> Option<PathBuf> {
    let list = python::packages_dir(&search.venv())?.join("playwright/driver/package/browsers.json");
    let list: serde_json::Value = serde_json::from_slice(&fs::read(list).ok()?).ok()?;
    let ffmpeg = list["browsers"].as_array()?.iter().find(|browser| browser["name"] == "ffmpeg")?;
    Some(dir(search).join(format!("ffmpeg-{}", ffmpeg["revision"].as_str()?)).join(PROGRAM))
}

/// The system's ffmpeg, if it writes what Playwright asks it for.
async fn of_the_system(search: &Search) -> Option<PathBuf> {
    let ffmpeg = find::ffmpeg(search)?;
    let once = "-loglevel error -f rawvideo -pix_fmt rgb24 -s 16x16 -i /dev/zero -frames:v 1 -c:v libvpx-vp9 -f null -";
    let argv = std::iter::once(ffmpeg.display().to_string()).chain(once.split(' ').map(str::to_owned));
    step::answer(argv.collect(), &search.env).await.map(|_| ffmpeg)
}

/// The package's, seen from [`place`]: the tools directory can be moved.
async fn packaged(search: &Search) -> Result<PathBuf, SetupError> {
    let target = dir(search).join(PACKAGE);
    let binaries = target.join(BINARIES);
    let mut argv = vec![interpreter(&search.venv()).display().to_string()];
    let how = "-m pip install --no-input --no-deps --only-binary=:all: --quiet --upgrade --target";
    argv.extend(how.split(' ').map(str::to_owned));
    argv.extend([target.display().to_string(), PACKAGE.to_owned()]);
    let env = python::clean_env(search);
    let logs = search.tools_dir.join("logs");
    step::must("video recorder", argv, &env, &logs).await?;
    let name = named_ffmpeg(&binaries).map_err(|source| SetupError::io(&binaries, source))?;
    Ok(Path::new("..").join(PACKAGE).join(BINARIES).join(name))
}

fn named_ffmpeg(binaries: &Path) -> std::io::Result<std::ffi::OsString> {
    let names = fs::read_dir(binaries)?.flatten().map(|entry| entry.file_name());
    let mut programs = names.filter(|name| name.to_string_lossy().starts_with("ffmpeg-"));
    programs.next().ok_or_else(|| std::io::Error::other("there is no ffmpeg in the package"))
}
