//! One kind of part, its configurations, and the list they are registered in.

/// Makes the configuration enum of a kind of part from the visible list of its members.
///
/// `tag = config in module` registers the module's configuration type: under `tag` it is read
/// from and written to JSON, `build` makes its part, the method after `knows` is asked without
/// building, and `examples` enter the conformance tests.
macro_rules! catalog {
    (
        $(#[$doc:meta])*
        pub enum $kind:ident, tagged $tag:literal, builds $part:path, knows $property:ident: $is:ty {
            $($(#[$member_doc:meta])* $name:literal = $config:ident in $module:ident,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = $tag)]
        pub enum $kind {
            $($(#[$member_doc])* #[serde(rename = $name)] $config($module::$config),)*
        }

        impl $kind {
            fn build(&self, vars: &quintet_nn::Vars) -> crate::Result<Box<dyn $part>> {
                match self {
                    $(Self::$config(config) => Ok(Box::new(config.build(vars)?)),)*
                }
            }

            /// What is known of the part before it is built.
            pub fn $property(&self) -> $is {
                match self {
                    $(Self::$config(config) => config.$property(),)*
                }
            }

            /// Small configurations of every member.
            #[cfg(test)]
            pub(crate) fn examples() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend($module::$config::examples().into_iter().map(Self::$config));)*
                all
            }
        }

        $(impl From<$module::$config> for $kind {
            fn from(config: $module::$config) -> Self {
                Self::$config(config)
            }
        })*
    };
}

pub(crate) use catalog;
