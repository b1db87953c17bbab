//! The walk over the criteria, page by page.

use super::CoderError;
use super::html;
use super::site::Site;
use crate::criteria::Criterion;

/// Where the walk stands, and what is on its way.
struct Walk {
    site: Site,
    path: String,
}

/// Makes the criteria hold, one after the other.
pub(super) fn walk(site: Site, criteria: &[Criterion], start_path: &str) -> Result<Site, CoderError> {
    let mut walk = Walk { site, path: start_path.to_owned() };
    for (position, criterion) in criteria.iter().enumerate() {
        walk.meet(criterion, &criteria[position + 1..])?;
    }
    Ok(walk.site)
}

impl Walk {
    /// Makes one criterion hold; `rest` tells where clicks are to lead.
    fn meet(&mut self, criterion: &Criterion, rest: &[Criterion]) -> Result<(), CoderError> {
        let path = self.path.clone();
        let page = self.site.page(&path)?;
        match criterion {
            Criterion::Open(to) => {
                self.path.clone_from(to);
                self.site.page(to)?;
            }
            Criterion::SeeHeading(name) if !html::has_heading(page, name) => html::add_heading(page, name),
            Criterion::SeeText(text) if !html::has_text(page, text) => html::add_text(page, text),
            Criterion::SeeLink(name) if html::link(page, name).is_none() => html::add_link(page, name, "#"),
            Criterion::SeeButton(name) if !html::has_button(page, name) => html::add(page, &button(name)),
            Criterion::TitleIs(title) if !html::title_is(page, title) => html::set_title(page, title),
            Criterion::NotSeeText(text) if html::has_text(page, text) && !html::remove_text(page, text) => {
                return Err(unable(criterion, "the text is part of a longer one"));
            }
            Criterion::ClickLink(name) => self.follow(name, rest)?,
            Criterion::ClickButton(name) => self.send(name, rest)?,
            Criterion::Click(name) => {
                if html::has_button(page, name) {
                    self.send(name, rest)?;
                } else {
                    self.follow(name, rest)?;
                }
            }
            Criterion::Fill { label, .. } if !html::has_field(page, label) => {
                html::add_to_form(page, &field(label, "<input name=\"NAME\">"));
            }
            Criterion::Choose { option, label } if !html::has_field(page, label) => {
                let list =
                    format!("<select name=\"NAME\"><option>{}</option></select>", html::escape(option));
                html::add_to_form(page, &field(label, &list));
            }
            Criterion::Check(label) if !html::has_field(page, label) => {
                html::add_to_form(page, &field(label, "<input type=\"checkbox\" name=\"NAME\">"));
            }
            Criterion::UrlIs(to) if !same_page(&path, to) => {
                return Err(unable(criterion, &format!("nothing leads there from {path}")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Follows a link, which is given an address if it has none of use.
    fn follow(&mut self, name: &str, rest: &[Criterion]) -> Result<(), CoderError> {
        let path = self.path.clone();
        let page = self.site.page(&path)?;
        let leads = html::link(page, name);
        let wanted = destination(rest).map(str::to_owned);
        let to = match (wanted, leads) {
            (Some(wanted), Some(leads)) if same_page(&resolve(&path, &leads), &wanted) => wanted,
            (Some(wanted), Some(_)) => {
                html::set_link(page, name, &wanted);
                wanted
            }
            (Some(wanted), None) => {
                html::add_link(page, name, &wanted);
                wanted
            }
            (None, Some(leads)) => resolve(&path, &leads),
            (None, None) => {
                let made = format!("/{}.html", chimera_core::slug::slug(name).replace('_', "-"));
                html::add_link(page, name, &made);
                made
            }
        };
        self.path = to;
        let path = self.path.clone();
        self.site.page(&path).map(|_| ())
    }

    /// Sends the form that the fields before have made.
    fn send(&mut self, name: &str, rest: &[Criterion]) -> Result<(), CoderError> {
        let path = self.path.clone();
        let page = self.site.page(&path)?;
        if !html::has_button(page, name) {
            html::add_to_form(page, &button(name));
        }
        if let Some(to) = destination(rest).map(str::to_owned) {
            html::set_form_action(page, &to);
            self.path = to;
            let path = self.path.clone();
            self.site.page(&path)?;
        }
        Ok(())
    }
}

/// Where the click before leads: the next `url is` before the walk moves on otherwise.
fn destination(rest: &[Criterion]) -> Option<&str> {
    rest.iter()
        .take_while(|criterion| criterion.is_assertion())
        .find_map(|criterion| if let Criterion::UrlIs(to) = criterion { Some(to.as_str()) } else { None })
}

fn same_page(path: &str, other: &str) -> bool {
    let plain =
        |path: &str| path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned();
    plain(path) == plain(other)
}

/// The path that an address on a page leads to.
fn resolve(path: &str, address: &str) -> String {
    let base = url::Url::parse("http://localhost").and_then(|origin| origin.join(path));
    base.and_then(|base| base.join(address)).map_or_else(|_| path.to_owned(), |url| url.path().to_owned())
}

fn button(name: &str) -> String {
    format!("<button type=\"submit\">{}</button>\n", html::escape(name))
}

/// A labelled control; `NAME` in it becomes a name made of the label.
fn field(label: &str, control: &str) -> String {
    let control = control.replace("NAME", &chimera_core::slug::slug(label));
    format!("<label>{} {control}</label>\n", html::escape(label))
}

fn unable(criterion: &Criterion, why: &str) -> CoderError {
    CoderError::Unable { criterion: criterion.to_string(), why: why.to_owned() }
}
