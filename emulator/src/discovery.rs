//! Google's discovery document of Compute Engine v1: the methods of the API, their parameters and
//! bodies.
//!
//! The format: <https://developers.google.com/discovery/v1/reference/apis>. The document in `data/`
//! is Google's, reduced to the methods and schemas around instances, without descriptions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// The discovery document of the emulated API.
pub static COMPUTE: LazyLock<Document> = LazyLock::new(|| {
    let description = serde_json::from_str(include_str!("../data/compute.v1.json"));
    Document::new(description.expect("the embedded discovery document is valid"))
});

/// An API's description.
pub struct Document {
    methods: Vec<Method>,
    /// Query parameters that every method takes, such as `fields`.
    pub parameters: BTreeMap<String, Schema>,
    /// Resources and messages by name.
    pub schemas: BTreeMap<String, Schema>,
}

/// A method of an API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// The document's id without `compute.`, such as `instances.insert`.
    pub id: String,
    http_method: String,
    /// A template relative to the service path, such as
    /// `projects/{project}/zones/{zone}/instances`.
    pub path: String,
    #[serde(default)]
    pub parameters: BTreeMap<String, Schema>,
    pub request: Option<Reference>,
    pub response: Option<Reference>,
}

/// The name of a schema.
#[derive(Debug, Deserialize)]
pub struct Reference {
    #[serde(rename = "$ref")]
    pub name: String,
}

/// A JSON schema in the discovery format. Parameters are described in the same way.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schema {
    #[serde(rename = "$ref")]
    pub reference: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub format: Option<String>,
    pub pattern: Option<String>,
    /// The constant value of a field, such as `kind`.
    pub default: Option<String>,
    #[serde(rename = "enum")]
    pub values: Option<Vec<String>>,
    pub minimum: Option<String>,
    pub maximum: Option<String>,
    pub properties: BTreeMap<String, Schema>,
    pub additional_properties: Option<Box<Schema>>,
    pub items: Option<Box<Schema>>,
    pub read_only: bool,
    /// `true` if a parameter must be given.
    pub required: bool,
    pub location: Option<String>,
}

/// The parameters of a path, by name.
pub type PathParameters = BTreeMap<String, String>;

impl Document {
    fn new(description: Description) -> Self {
        let mut methods = Vec::new();
        for resource in description.resources.into_values() {
            methods.extend(resource.methods.into_values());
        }
        for method in &mut methods {
            method.id = method.id.trim_start_matches("compute.").to_owned();
        }
        Self { methods, parameters: description.parameters, schemas: description.schemas }
    }

    /// Finds the method that a request calls. `path` is relative to the service path and still
    /// percent-encoded.
    pub fn find(&self, http_method: &str, path: &str) -> Option<(&Method, PathParameters)> {
        let of_this_verb = |method: &&Method| method.http_method == http_method;
        self.methods().filter(of_this_verb).find_map(|method| Some((method, method.matches(path)?)))
    }

    /// Returns all methods.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter()
    }

    /// Finds a method by its id.
    pub fn method(&self, id: &str) -> Option<&Method> {
        self.methods().find(|method| method.id == id)
    }

    /// Returns the schema that a reference names, or the schema itself if it is not a reference.
    pub fn resolve<'a>(&'a self, schema: &'a Schema) -> &'a Schema {
        match &schema.reference {
            Some(name) => self.schemas.get(name).unwrap_or(schema),
            None => schema,
        }
    }
}

impl Method {
    fn matches(&self, path: &str) -> Option<PathParameters> {
        let mut found = PathParameters::new();
        let mut segments = path.split('/');
        for expected in self.path.split('/') {
            let segment = segments.next()?;
            match expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    let value = percent_decode_str(segment).decode_utf8().ok()?;
                    found.insert(name.to_owned(), value.into_owned());
                }
                None if expected == segment => {}
                None => return None,
            }
        }
        segments.next().is_none().then_some(found)
    }

    /// Returns `true` if the method returns an operation, which can fail after the response.
    pub fn makes_operation(&self) -> bool {
        !self.id.contains("Operations.") && self.response.as_ref().is_some_and(|r| r.name == "Operation")
    }
}

#[derive(Deserialize)]
struct Description {
    parameters: BTreeMap<String, Schema>,
    resources: BTreeMap<String, Resource>,
    schemas: BTreeMap<String, Schema>,
}

#[derive(Deserialize)]
struct Resource {
    methods: BTreeMap<String, Method>,
}
