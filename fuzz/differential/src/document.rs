//! A JSON object as text: what no JSON library would write can be written.

use crate::random::Random;

/// Names and values, each spelled as they will be.
#[derive(Clone)]
pub(crate) struct Document {
    members: Vec<(String, String)>,
    /// Between the tokens of the object.
    space: &'static str,
    /// Before and after everything.
    around: [String; 2],
}

/// Values of any kind, good for one member or another.
const VALUES: [&str; 50] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "1.0",
    "1.5",
    "1e2",
    "1E400",
    "01",
    "+1",
    ".5",
    "NaN",
    "Infinity",
    "1700000000",
    "1700000000.5",
    "1.7e9",
    "3900000000",
    "4000000000",
    "1600000000",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-4000000000",
    "\"\"",
    "\"a\"",
    "\"4000000000\"",
    "\"a b\"",
    "\" a\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{e9}\"",
    "\"\\u00e9\"",
    "\"a\\/b\"",
    "\"\\x\"",
    "\"\n\"",
    "[]",
    "[\"a\"]",
    "[\"https://api.example\"]",
    "[\"https://api.example\",1]",
    "[[\"https://api.example\"]]",
    "{}",
    "{\"a\":1,\"a\":2}",
    "[1,[2,{\"b\":[3]}]]",
    "'a'",
];

impl Document {
    pub(crate) fn new(members: &[(&str, String)]) -> Self {
        let owned = |(name, value): &(&str, String)| (format!("\"{name}\""), value.clone());
        Self {
            members: members.iter().map(owned).collect(),
            space: "",
            around: Default::default(),
        }
    }

    /// Changes something, and says what.
    pub(crate) fn mutate(&mut self, names: &[&str], good: &[&str], random: &mut Random) -> String {
        let name = random.pick(names);
        let spelled = format!("\"{name}\"");
        match random.below(16) {
            0..=5 => {
                let value = self.value(good, random);
                self.set(&spelled, &value);
                format!("{name}={value}")
            }
            6 | 7 => {
                self.members.retain(|(other, _)| *other != spelled);
                format!("{name} absent")
            }
            8 => {
                let value = self.value(good, random);
                let at = random.below(self.members.len() + 1);
                self.members.insert(at, (spelled, value));
                format!("{name} again")
            }
            9 => {
                let name = self.escaped(random);
                format!("{name} escaped")
            }
            10 => {
                let count = self.members.len();
                self.members.rotate_left(random.below(count + 1));
                "order".to_owned()
            }
            11 => {
                self.space = random.pick(&[" ", "\t", "\r\n", "  \n", "\u{b}", "\u{a0}"]);
                format!("space {:?}", self.space)
            }
            12 => {
                let side = random.below(2);
                let text = random.pick(&[
                    " ", "\n", "\u{feff}", "\0", "x", "{}", ",", "//", "/**/", "\u{2028}",
                ]);
                self.around[side] = text.to_owned();
                format!("around {text:?}")
            }
            13 => {
                let depth = random.pick(&[&2_usize, &8, &15, &17, &62, &63, &64, &65, &200, &1200]);
                let value = format!("{}{}", "[".repeat(*depth), "]".repeat(*depth));
                self.set("\"deep\"", &value);
                format!("depth {depth}")
            }
            14 => {
                let length = random.pick(&[&100_usize, &1000, &3000, &9000]);
                self.set("\"long\"", &format!("\"{}\"", "a".repeat(*length)));
                format!("length {length}")
            }
            _ => {
                let value = random.pick(&VALUES).to_owned();
                self.set("\"other\"", &value);
                format!("other={value}")
            }
        }
    }

    fn value(&self, good: &[&str], random: &mut Random) -> String {
        match random.once_in(3) {
            true => random.pick(good).to_owned(),
            false => random.pick(&VALUES).to_owned(),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let found = self.members.iter_mut().find(|(other, _)| other == name);
        match found {
            Some((_, old)) => *old = value.to_owned(),
            None => self.members.push((name.to_owned(), value.to_owned())),
        }
    }

    /// A name with its first letter as an escape: the same name.
    fn escaped(&mut self, random: &mut Random) -> String {
        let count = self.members.len().max(1);
        let Some((name, _)) = self.members.get_mut(random.below(count)) else {
            return "nothing".to_owned();
        };
        let old = name.clone();
        if let Some(first) = old.chars().nth(1).filter(char::is_ascii_alphanumeric) {
            *name = format!("\"\\u{:04x}{}", u32::from(first), &old[2..]);
        }
        old
    }

    pub(crate) fn text(&self) -> String {
        let space = self.space;
        let members = self.members.iter();
        let members = members.map(|(name, value)| format!("{name}{space}:{space}{value}"));
        let members = members.collect::<Vec<_>>().join(&format!(",{space}"));
        let [before, after] = &self.around;
        format!("{before}{{{space}{members}{space}}}{after}")
    }
}
