//! A small tree of XML elements, and how it is written.

use quick_xml::escape::escape;

/// Elements in a row: the content of another element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes(Vec<Node>);

#[derive(Clone, Debug)]
struct Node {
    name: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    Nodes(Nodes),
}

impl Nodes {
    pub(crate) fn new() -> Nodes {
        Nodes::default()
    }

    /// Adds `<name>value</name>`.
    pub(crate) fn text(mut self, name: &str, value: impl ToString) -> Nodes {
        self.0.push(Node { name: name.to_owned(), content: Content::Text(value.to_string()) });
        self
    }

    /// Adds `<name>value</name>` where there is a value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl ToString>) -> Nodes {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds `<name>…</name>`.
    pub(crate) fn nest(mut self, name: &str, nodes: Nodes) -> Nodes {
        self.0.push(Node { name: name.to_owned(), content: Content::Nodes(nodes) });
        self
    }

    /// Adds `<name><item>…</item><item>…</item></name>`, a list as EC2 writes it.
    pub(crate) fn items(self, name: &str, items: impl IntoIterator<Item = Nodes>) -> Nodes {
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
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        out.push_str(root);
        if let Some(namespace) = namespace {
            out.push_str(" xmlns=\"");
            out.push_str(&escape(namespace));
            out.push('"');
        }
        out.push('>');
        self.write(&mut out);
        out.push_str("</");
        out.push_str(root);
        out.push('>');
        out
    }

    fn write(&self, out: &mut String) {
        for node in &self.0 {
            out.push('<');
            out.push_str(&node.name);
            out.push('>');
            match &node.content {
                Content::Text(text) => out.push_str(&escape(text.as_str())),
                Content::Nodes(nodes) => nodes.write(out),
            }
            out.push_str("</");
            out.push_str(&node.name);
            out.push('>');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_typed_cannot_break_the_document() {
        let nodes = Nodes::new().text("value", "<a & \"b\">").items("set", [Nodes::new().text("n", 1)]);
        assert_eq!(
            nodes.document("Answer", Some("urn:x")),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Answer xmlns=\"urn:x\"><value>&lt;a &amp; &quot;b&quot;&gt;</value>\
             <set><item><n>1</n></item></set></Answer>"
        );
    }
}
