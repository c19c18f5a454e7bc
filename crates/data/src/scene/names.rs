//! The names that objects can have.

use Group::*;

/// A kind of thing; things of one group are each other's hardest wrong answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Land animals.
    Animal,
    /// Birds.
    Bird,
    /// Insects and other small crawlers.
    Bug,
    /// Buildings and street furniture.
    Building,
    /// Clothes and what is worn or carried.
    Clothes,
    /// Electric and optical devices.
    Device,
    /// Drinks.
    Drink,
    /// Prepared food.
    Food,
    /// Fruit and vegetables.
    Fruit,
    /// Furniture and household.
    Home,
    /// Musical instruments and gear.
    Music,
    /// Sky, weather and landscape.
    Nature,
    /// Desk and paper.
    Office,
    /// Plants.
    Plant,
    /// Animals of the water.
    Sea,
    /// Sports gear.
    Sport,
    /// Tools and weapons.
    Tool,
    /// Toys, prizes and figures.
    Toy,
    /// Vehicles.
    Vehicle,
}

/// One name: a common, concrete, visually distinct object.
#[derive(Debug)]
pub struct Name {
    /// Singular, lower case.
    pub name: &'static str,
    /// Plural, for counting.
    pub plural: &'static str,
    /// The icon's key, the same in all the emoji sets of [`Style`](super::Style).
    pub slug: &'static str,
    /// What it is like.
    pub group: Group,
}

const fn n(name: &'static str, plural: &'static str, slug: &'static str, group: Group) -> Name {
    Name { name, plural, slug, group }
}

impl Name {
    /// The name behind its indefinite article: "a dog", "an apple".
    pub fn with_article(&self) -> String {
        // The sound decides, not the letter: "an hourglass", "a unicorn".
        let an = match self.name {
            "hourglass" => true,
            "unicorn" => false,
            other => other.starts_with(['a', 'e', 'i', 'o', 'u']),
        };
        format!("{} {}", if an { "an" } else { "a" }, self.name)
    }
}

/// Every name; a name's id is its position here.
pub const NAMES: &[Name] = &[
    n("ant", "ants", "ant", Bug),
    n("bat", "bats", "bat", Animal),
    n("bear", "bears", "bear", Animal),
    n("bee", "bees", "honeybee", Bug),
    n("ladybug", "ladybugs", "lady-beetle", Bug),
    n("bird", "birds", "bird", Bird),
    n("caterpillar", "caterpillars", "bug", Bug),
    n("butterfly", "butterflies", "butterfly", Bug),
    n("camel", "camels", "camel", Animal),
    n("cat", "cats", "cat", Animal),
    n("cow", "cows", "cow", Animal),
    n("crab", "crabs", "crab", Sea),
    n("crocodile", "crocodiles", "crocodile", Animal),
    n("deer", "deer", "deer", Animal),
    n("dog", "dogs", "dog", Animal),
    n("dolphin", "dolphins", "dolphin", Sea),
    n("dragon", "dragons", "dragon", Animal),
    n("duck", "ducks", "duck", Bird),
    n("eagle", "eagles", "eagle", Bird),
    n("elephant", "elephants", "elephant", Animal),
    n("fish", "fish", "fish", Sea),
    n("fox", "foxes", "fox", Animal),
    n("frog", "frogs", "frog", Animal),
    n("horse", "horses", "horse", Animal),
    n("koala", "koalas", "koala", Animal),
    n("lion", "lions", "lion", Animal),
    n("lizard", "lizards", "lizard", Animal),
    n("monkey", "monkeys", "monkey", Animal),
    n("mouse", "mice", "mouse", Animal),
    n("octopus", "octopuses", "octopus", Sea),
    n("owl", "owls", "owl", Bird),
    n("panda", "pandas", "panda", Animal),
    n("penguin", "penguins", "penguin", Bird),
    n("pig", "pigs", "pig", Animal),
    n("rabbit", "rabbits", "rabbit", Animal),
    n("rhino", "rhinos", "rhinoceros", Animal),
    n("rooster", "roosters", "rooster", Bird),
    n("scorpion", "scorpions", "scorpion", Bug),
    n("shark", "sharks", "shark", Sea),
    n("sheep", "sheep", "ewe", Animal),
    n("shrimp", "shrimp", "shrimp", Sea),
    n("snail", "snails", "snail", Bug),
    n("snake", "snakes", "snake", Animal),
    n("spider", "spiders", "spider", Bug),
    n("squid", "squids", "squid", Sea),
    n("tiger", "tigers", "tiger-face", Animal),
    n("turkey", "turkeys", "turkey", Bird),
    n("turtle", "turtles", "turtle", Sea),
    n("unicorn", "unicorns", "unicorn", Animal),
    n("whale", "whales", "spouting-whale", Sea),
    n("wolf", "wolves", "wolf", Animal),
    n("apple", "apples", "red-apple", Fruit),
    n("avocado", "avocados", "avocado", Fruit),
    n("banana", "bananas", "banana", Fruit),
    n("beer", "beers", "beer-mug", Drink),
    n("bread", "breads", "bread", Food),
    n("cake", "cakes", "birthday-cake", Food),
    n("candy", "candies", "candy", Food),
    n("carrot", "carrots", "carrot", Fruit),
    n("cheese", "cheeses", "cheese-wedge", Food),
    n("cherry", "cherries", "cherries", Fruit),
    n("chocolate", "chocolates", "chocolate-bar", Food),
    n("cocktail", "cocktails", "cocktail-glass", Drink),
    n("coffee", "coffees", "hot-beverage", Drink),
    n("cookie", "cookies", "cookie", Food),
    n("corn", "ears of corn", "ear-of-corn", Fruit),
    n("croissant", "croissants", "croissant", Food),
    n("cucumber", "cucumbers", "cucumber", Fruit),
    n("donut", "donuts", "doughnut", Food),
    n("egg", "eggs", "egg", Food),
    n("eggplant", "eggplants", "eggplant", Fruit),
    n("grape", "grapes", "grapes", Fruit),
    n("burger", "burgers", "hamburger", Food),
    n("hotdog", "hotdogs", "hot-dog", Food),
    n("kiwi", "kiwis", "kiwi-fruit", Fruit),
    n("lemon", "lemons", "lemon", Fruit),
    n("lollipop", "lollipops", "lollipop", Food),
    n("mushroom", "mushrooms", "mushroom", Fruit),
    n("pancake", "pancakes", "pancakes", Food),
    n("peach", "peaches", "peach", Fruit),
    n("pear", "pears", "pear", Fruit),
    n("pepper", "peppers", "hot-pepper", Fruit),
    n("pineapple", "pineapples", "pineapple", Fruit),
    n("pizza", "pizzas", "pizza", Food),
    n("pumpkin", "pumpkins", "jack-o-lantern", Fruit),
    n("strawberry", "strawberries", "strawberry", Fruit),
    n("sushi", "sushi", "sushi", Food),
    n("taco", "tacos", "taco", Food),
    n("tomato", "tomatoes", "tomato", Fruit),
    n("watermelon", "watermelons", "watermelon", Fruit),
    n("wine", "wines", "wine-glass", Drink),
    n("bottle", "bottles", "bottle-with-popping-cork", Drink),
    n("plane", "planes", "airplane", Vehicle),
    n("ambulance", "ambulances", "ambulance", Vehicle),
    n("bicycle", "bicycles", "bicycle", Vehicle),
    n("bus", "buses", "bus", Vehicle),
    n("car", "cars", "automobile", Vehicle),
    n("firetruck", "firetrucks", "fire-engine", Vehicle),
    n("helicopter", "helicopters", "helicopter", Vehicle),
    n("motorcycle", "motorcycles", "motorcycle", Vehicle),
    n("rocket", "rockets", "rocket", Vehicle),
    n("sailboat", "sailboats", "sailboat", Vehicle),
    n("satellite", "satellites", "satellite", Vehicle),
    n("scooter", "scooters", "kick-scooter", Vehicle),
    n("ship", "ships", "ship", Vehicle),
    n("speedboat", "speedboats", "speedboat", Vehicle),
    n("tractor", "tractors", "tractor", Vehicle),
    n("train", "trains", "high-speed-train", Vehicle),
    n("truck", "trucks", "delivery-truck", Vehicle),
    n("anchor", "anchors", "anchor", Tool),
    n("clock", "clocks", "alarm-clock", Home),
    n("scale", "scales", "balance-scale", Tool),
    n("bathtub", "bathtubs", "bathtub", Home),
    n("battery", "batteries", "battery", Device),
    n("bed", "beds", "bed", Home),
    n("bell", "bells", "bell", Home),
    n("bomb", "bombs", "bomb", Tool),
    n("book", "books", "closed-book", Office),
    n("camera", "cameras", "camera", Device),
    n("candle", "candles", "candle", Home),
    n("chain", "chains", "chains", Tool),
    n("couch", "couches", "couch-and-lamp", Home),
    n("crown", "crowns", "crown", Clothes),
    n("knife", "knives", "kitchen-knife", Tool),
    n("dice", "dice", "game-die", Toy),
    n("door", "doors", "door", Home),
    n("droplet", "droplets", "droplet", Nature),
    n("envelope", "envelopes", "envelope", Office),
    n("fountain", "fountains", "fountain", Building),
    n("gear", "gears", "gear", Tool),
    n("gem", "gems", "gem-stone", Clothes),
    n("gift", "gifts", "wrapped-gift", Toy),
    n("globe", "globes", "globe-showing-americas", Nature),
    n("hammer", "hammers", "hammer", Tool),
    n("hourglass", "hourglasses", "hourglass-not-done", Home),
    n("house", "houses", "house", Building),
    n("gamepad", "gamepads", "video-game", Device),
    n("key", "keys", "key", Tool),
    n("keyboard", "keyboards", "keyboard", Device),
    n("laptop", "laptops", "laptop", Device),
    n("bulb", "bulbs", "light-bulb", Device),
    n("lipstick", "lipsticks", "lipstick", Clothes),
    n("lock", "locks", "locked", Tool),
    n("magnifier", "magnifiers", "magnifying-glass-tilted-left", Tool),
    n("megaphone", "megaphones", "megaphone", Device),
    n("microphone", "microphones", "microphone", Music),
    n("microscope", "microscopes", "microscope", Device),
    n("palette", "palettes", "artist-palette", Office),
    n("paintbrush", "paintbrushes", "paintbrush", Office),
    n("box", "boxes", "package", Office),
    n("paperclip", "paperclips", "paperclip", Office),
    n("pencil", "pencils", "pencil", Office),
    n("phone", "phones", "mobile-phone", Device),
    n("pickaxe", "pickaxes", "pick", Tool),
    n("pill", "pills", "pill", Tool),
    n("pin", "pins", "pushpin", Office),
    n("plug", "plugs", "electric-plug", Device),
    n("printer", "printers", "printer", Device),
    n("radio", "radios", "radio", Device),
    n("ring", "rings", "ring", Clothes),
    n("robot", "robots", "robot", Toy),
    n("ruler", "rulers", "straight-ruler", Office),
    n("shield", "shields", "shield", Tool),
    n("cart", "carts", "shopping-cart", Home),
    n("skull", "skulls", "skull", Toy),
    n("spoon", "spoons", "spoon", Tool),
    n("syringe", "syringes", "syringe", Tool),
    n("telescope", "telescopes", "telescope", Device),
    n("television", "televisions", "television", Device),
    n("tent", "tents", "tent", Building),
    n("toilet", "toilets", "toilet", Home),
    n("trophy", "trophies", "trophy", Toy),
    n("umbrella", "umbrellas", "umbrella", Clothes),
    n("vase", "vases", "amphora", Home),
    n("watch", "watches", "watch", Clothes),
    n("wrench", "wrenches", "wrench", Tool),
    n("bow", "bows", "bow-and-arrow", Tool),
    n("backpack", "backpacks", "backpack", Clothes),
    n("dress", "dresses", "dress", Clothes),
    n("handbag", "handbags", "handbag", Clothes),
    n("hat", "hats", "top-hat", Clothes),
    n("heel", "heels", "high-heeled-shoe", Clothes),
    n("helmet", "helmets", "rescue-workers-helmet", Clothes),
    n("shirt", "shirts", "t-shirt", Clothes),
    n("shoe", "shoes", "mans-shoe", Clothes),
    n("drum", "drums", "drum", Music),
    n("guitar", "guitars", "guitar", Music),
    n("headphone", "headphones", "headphone", Music),
    n("piano", "pianos", "musical-keyboard", Music),
    n("saxophone", "saxophones", "saxophone", Music),
    n("trumpet", "trumpets", "trumpet", Music),
    n("violin", "violins", "violin", Music),
    n("football", "footballs", "american-football", Sport),
    n("baseball", "baseballs", "baseball", Sport),
    n("basketball", "basketballs", "basketball", Sport),
    n("glove", "gloves", "boxing-glove", Sport),
    n("medal", "medals", "sports-medal", Sport),
    n("skate", "skates", "ice-skate", Sport),
    n("soccer ball", "soccer balls", "soccer-ball", Sport),
    n("volleyball", "volleyballs", "volleyball", Sport),
    n("balloon", "balloons", "balloon", Toy),
    n("cactus", "cactuses", "cactus", Plant),
    n("cloud", "clouds", "cloud", Nature),
    n("clover", "clovers", "four-leaf-clover", Plant),
    n("flame", "flames", "fire", Nature),
    n("leaf", "leaves", "maple-leaf", Plant),
    n("moon", "moons", "crescent-moon", Nature),
    n("mountain", "mountains", "snow-capped-mountain", Nature),
    n("palm", "palms", "palm-tree", Plant),
    n("pine", "pines", "evergreen-tree", Plant),
    n("rainbow", "rainbows", "rainbow", Nature),
    n("rose", "roses", "rose", Plant),
    n("shell", "shells", "spiral-shell", Sea),
    n("snowflake", "snowflakes", "snowflake", Nature),
    n("snowman", "snowmen", "snowman", Nature),
    n("star", "stars", "star", Nature),
    n("sun", "suns", "sun", Nature),
    n("sunflower", "sunflowers", "sunflower", Plant),
    n("tornado", "tornadoes", "tornado", Nature),
    n("tree", "trees", "deciduous-tree", Plant),
    n("tulip", "tulips", "tulip", Plant),
    n("volcano", "volcanoes", "volcano", Nature),
    n("web", "webs", "spider-web", Bug),
    n("castle", "castles", "castle", Building),
    n("ferris wheel", "ferris wheels", "ferris-wheel", Building),
    n("ghost", "ghosts", "ghost", Toy),
    n("alien", "aliens", "alien", Toy),
];

/// The name's id, if it is one of [`NAMES`].
pub fn name_id(name: &str) -> Option<u16> {
    NAMES.iter().position(|n| n.name == name).and_then(|i| u16::try_from(i).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_slugs_are_distinct() {
        assert!(NAMES.len() >= 170);
        assert_eq!(NAMES.iter().map(|n| n.name).collect::<HashSet<_>>().len(), NAMES.len());
        assert_eq!(NAMES.iter().map(|n| n.slug).collect::<HashSet<_>>().len(), NAMES.len());
    }

    #[test]
    fn articles_follow_the_sound() {
        let with = |name| NAMES[name_id(name).unwrap() as usize].with_article();
        assert_eq!(with("dog"), "a dog");
        assert_eq!(with("apple"), "an apple");
        assert_eq!(with("unicorn"), "a unicorn");
        assert_eq!(with("hourglass"), "an hourglass");
    }
}
