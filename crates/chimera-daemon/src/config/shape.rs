//! How values of the file are read, so that an error says in the file's own terms what is expected.

use serde::Deserializer;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A list of texts; a single text is answered with how to write it.
pub(super) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts such as [\"a\", \"b\"]")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Deserialize::deserialize(SeqAccessDeserializer::new(seq))
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Err(E::custom(format!("this is a list: write [{text:?}]")))
        }
    }
    from.deserialize_any(List)
}

/// Tables of an array, each under its own header of this name in two pairs of brackets.
pub(super) fn tables<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    name: &'static str,
) -> Result<Vec<T>, D::Error> {
    struct Tables<T>(&'static str, PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Tables<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "tables, each under [[{}]]", self.0)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Deserialize::deserialize(SeqAccessDeserializer::new(seq))
        }
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            let name = self.0;
            Err(A::Error::custom(format!("there may be several: write [[{name}]] instead of [{name}]")))
        }
    }
    from.deserialize_any(Tables(name, PhantomData))
}

/// The name of an agent, or several.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of an agent such as \"my-coder\", or a list of names")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Deserialize::deserialize(SeqAccessDeserializer::new(seq))
        }
    }
    from.deserialize_any(OneOrMany)
}

/// A number or a text, read by `T`, which says what it expects.
pub(super) trait Scalar: Sized {
    /// Such as: a duration such as "30s".
    const EXPECTED: &'static str;
    /// From a number.
    fn number(number: f64) -> Result<Self, String>;
    /// From a text.
    fn text(text: &str) -> Result<Self, String>;
}

/// Reads it.
pub(super) fn scalar<'de, T: Scalar, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Reader<T>(PhantomData<T>);
    impl<T: Scalar> Visitor<'_> for Reader<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds and bytes are far below 2^52")]
        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            T::number(number as f64).map_err(E::custom)
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds and bytes are far below 2^52")]
        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            T::number(number as f64).map_err(E::custom)
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            T::number(number).map_err(E::custom)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::text(text).map_err(E::custom)
        }
    }
    from.deserialize_any(Reader(PhantomData))
}

/// What serde says of the types that it knows by themselves, in terms of the file.
pub(super) fn in_terms_of_the_file(message: &str) -> String {
    const WORDS: [(&str, &str); 12] = [
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a string", "expected a text in quotes"),
        ("expected path string", "expected a path in quotes"),
        ("expected a map", "expected a table"),
        ("expected struct ", "expected a table, not "),
        ("invalid type: map", "this is a table"),
        ("invalid type: sequence", "this is a list"),
    ];
    WORDS.iter().fold(message.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}
