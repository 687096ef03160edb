//! A small tree of XML elements: how it is written, and how its texts are read again. Where a service speaks JSON, the
//! same tree is an object.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::QName;
use serde_json::Value;
use std::borrow::Cow;

/// Elements in a row: the content of another element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes(Vec<Node>);

#[derive(Clone, Debug)]
struct Node {
    /// Nearly always a name that stands in the source: a page has some fifty thousand of them.
    name: Cow<'static, str>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    /// What JSON writes without quotes.
    Number(i64),
    /// Likewise.
    Flag(bool),
    Nodes(Nodes),
}

impl Nodes {
    pub(crate) fn new() -> Nodes {
        Nodes::default()
    }

    /// Adds `<name>value</name>`.
    pub(crate) fn text(mut self, name: impl Into<Cow<'static, str>>, value: impl ToString) -> Nodes {
        self.0.push(Node { name: name.into(), content: Content::Text(value.to_string()) });
        self
    }

    /// Adds `<name>1</name>`; in JSON it is a number.
    pub(crate) fn number(mut self, name: impl Into<Cow<'static, str>>, value: i64) -> Nodes {
        self.0.push(Node { name: name.into(), content: Content::Number(value) });
        self
    }

    /// Adds `<name>true</name>`; in JSON it is no text.
    pub(crate) fn flag(mut self, name: impl Into<Cow<'static, str>>, value: bool) -> Nodes {
        self.0.push(Node { name: name.into(), content: Content::Flag(value) });
        self
    }

    /// Adds `<name>value</name>` where there is a value.
    pub(crate) fn maybe(self, name: impl Into<Cow<'static, str>>, value: Option<impl ToString>) -> Nodes {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds `<name>…</name>`.
    pub(crate) fn nest(mut self, name: impl Into<Cow<'static, str>>, nodes: Nodes) -> Nodes {
        self.0.push(Node { name: name.into(), content: Content::Nodes(nodes) });
        self
    }

    /// Adds `<name><item>…</item><item>…</item></name>`, a list as EC2 writes it.
    pub(crate) fn items(self, name: impl Into<Cow<'static, str>>, items: impl IntoIterator<Item = Nodes>) -> Nodes {
        let list = items.into_iter().fold(Nodes::new(), |list, item| list.nest("item", item));
        self.nest(name, list)
    }

    /// Adds all of `other`.
    pub(crate) fn and(mut self, other: Nodes) -> Nodes {
        self.0.extend(other.0);
        self
    }

    /// A whole document with one root, which may have a namespace.
    pub(crate) fn document(&self, root: &str, namespace: Option<&str>) -> String {
        let mut document = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        let xmlns = namespace.map(|namespace| format!(r#" xmlns="{namespace}""#)).unwrap_or_default();
        for part in ["<", root, xmlns.as_str(), ">"] {
            document.push_str(part);
        }
        self.write(&mut document);
        close(&mut document, root);
        document
    }

    /// The elements as the members of an object. Lists, which are elements of one name, are for XML only.
    pub(crate) fn object(&self) -> Value {
        let value = |content: &Content| match content {
            Content::Text(text) => Value::from(text.as_str()),
            Content::Number(number) => Value::from(*number),
            Content::Flag(flag) => Value::from(*flag),
            Content::Nodes(nodes) => nodes.object(),
        };
        Value::Object(self.0.iter().map(|node| (node.name.to_string(), value(&node.content))).collect())
    }

    fn write(&self, document: &mut String) {
        for Node { name, content } in &self.0 {
            let name: &str = name;
            for part in ["<", name, ">"] {
                document.push_str(part);
            }
            match content {
                Content::Text(text) => document.push_str(&escape(text.as_str())),
                Content::Number(number) => document.push_str(&number.to_string()),
                Content::Flag(flag) => document.push_str(if *flag { "true" } else { "false" }),
                Content::Nodes(nodes) => nodes.write(document),
            }
            close(document, name);
        }
    }
}

fn close(document: &mut String, name: &str) {
    for part in ["</", name, ">"] {
        document.push_str(part);
    }
}

/// The text of all elements of this name that have no elements in them, in document order; of a document that is
/// broken off, those that come before.
pub(crate) fn texts(document: &str, element: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    let mut texts = Vec::new();
    // the text so far, where the innermost element is one of this name
    let mut open: Option<String> = None;
    loop {
        let piece = match reader.read_event() {
            Ok(Event::Start(start)) => {
                open = (start.name() == QName(element)).then(String::new);
                continue;
            }
            Ok(Event::End(_)) => {
                texts.extend(open.take());
                continue;
            }
            Ok(Event::Empty(empty)) => {
                open = None;
                texts.extend((empty.name() == QName(element)).then(String::new));
                continue;
            }
            Ok(Event::Text(text)) => text.xml10_content().into_owned(),
            Ok(Event::CData(data)) => data.xml10_content().into_owned(),
            Ok(Event::GeneralRef(reference)) => match resolved(&reference) {
                Some(text) => text,
                None => return texts,
            },
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => continue,
            Ok(Event::Eof) | Err(_) => return texts,
        };
        if let Some(open) = &mut open {
            open.push_str(&piece);
        }
    }
}

/// What `&amp;` or `&#13;` stands for.
fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_xml_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

/// Whether a text has only characters that a document of XML 1.0 can hold. Source: "Extensible Markup Language (XML)
/// 1.0", production `Char`; a `char` is never one of the surrogates that it leaves out.
pub(crate) fn is_writable(text: &str) -> bool {
    text.chars().all(|one| matches!(one, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..=char::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_typed_cannot_break_the_document() {
        let nodes = Nodes::new().text("value", "<a & \"b\">").items("set", [Nodes::new().text("n", 1)]);
        assert_eq!(
            nodes.document("Answer", Some("urn:x")),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Answer xmlns=\"urn:x\"><value>&lt;a &amp; &quot;b&quot;&gt;</value>\
             <set><item><n>1</n></item></set></Answer>"
        );
    }

    #[test]
    fn the_same_tree_is_an_object_in_json() {
        let nodes = Nodes::new()
            .nest("Key", Nodes::new().number("Date", -5).flag("Enabled", true).text("Id", "\"1\""))
            .maybe("Other", None::<&str>);
        assert_eq!(nodes.object().to_string(), r#"{"Key":{"Date":-5,"Enabled":true,"Id":"\"1\""}}"#);
        let document = nodes.document("Answer", None);
        assert!(document.contains("<Date>-5</Date><Enabled>true</Enabled>"), "{document}");
    }

    #[test]
    fn texts_are_read_as_they_were_before_they_were_written() {
        let typed = ["<a & \"b\">", " two\r\nlines\t", "", "]]> &amp; ü"];
        let nodes = Nodes::new().items("set", typed.map(|text| Nodes::new().text("value", text)));
        let document = nodes.document("Answer", None);
        assert_eq!(texts(&document, "value"), typed);
        assert!(texts(&document, "set").is_empty(), "what has elements in it has no text");
        assert_eq!(texts("<a><b>1</b><b/><b><![CDATA[<2>]]></b><b>&#x33;</b><b>4", "b"), ["1", "", "<2>", "3"]);
    }

    #[test]
    fn xml_holds_no_control_characters() {
        for (text, expected) in [
            ("a\t\r\nz\u{7f}\u{fffd}😀", true),
            ("\0", false),
            ("a\u{1b}", false),
            ("\u{fffe}", false),
            ("\u{ffff}", false),
        ] {
            assert_eq!(is_writable(text), expected, "{text:?}");
        }
    }
}
