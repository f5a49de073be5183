//! One customer's document: names, phones, address, papers, work.
//!
//! Knows people of East Africa. Knows nothing of their loans.

use bson::{Bson, DateTime, Document, doc};
use fake::faker::address::en::StreetName;
use fake::faker::name::en::{FirstName, LastName};

use super::amount::decimal;
use super::chance::Chance;
use super::data_set::{AS_OF, DAY, MINUTE};

pub(super) struct Customer {
    pub customer_id: String,
    /// The time when the customer joined, in milliseconds.
    pub joined: i64,
    pub document: Document,
}

/// The city, the first digits of its postal code, its longitude and its latitude.
const CITIES: &[(&str, &str, f64, f64)] = &[
    ("Nairobi", "001", 36.8219, -1.2921),
    ("Mombasa", "801", 39.6682, -4.0435),
    ("Kisumu", "401", 34.7617, -0.0917),
    ("Nakuru", "201", 36.0800, -0.3031),
    ("Eldoret", "301", 35.2698, 0.5143),
    ("Thika", "010", 37.0693, -1.0332),
    ("Machakos", "901", 37.2634, -1.5177),
    ("Nyeri", "101", 36.9476, -0.4201),
    ("Kampala", "256", 32.5825, 0.3476),
    ("Arusha", "231", 36.6830, -3.3869),
    ("Kigali", "250", 30.0619, -1.9441),
    ("Garissa", "701", 39.6461, -0.4532),
];

const FIRST_F: &[&str] = &[
    "Wanjiru",
    "Akinyi",
    "Amina",
    "Faith",
    "Grace",
    "Mercy",
    "Njeri",
    "Achieng",
    "Zawadi",
    "Neema",
    "Halima",
    "Esther",
    "Wambui",
    "Nekesa",
    "Jepchirchir",
    "Fatuma",
    "Mwikali",
    "Kagendo",
    "Auma",
    "Nyambura",
];
const FIRST_M: &[&str] = &[
    "Kamau", "Otieno", "Juma", "Brian", "Kevin", "Mwangi", "Kiprono", "Hassan", "Baraka", "Wekesa", "Ochieng",
    "Samuel", "Mutua", "Kipchoge", "Abdi", "Peter", "Daniel", "Omondi", "Njoroge", "Musa",
];
const LAST: &[&str] = &[
    "Mwangi",
    "Odhiambo",
    "Kariuki",
    "Otieno",
    "Kimani",
    "Wanjala",
    "Chebet",
    "Mutiso",
    "Maina",
    "Njoroge",
    "Omondi",
    "Koech",
    "Ndungu",
    "Hassan",
    "Mohamed",
    "Kiplagat",
    "Onyango",
    "Barasa",
    "Muthoni",
    "Wairimu",
    "Okello",
    "Mugisha",
    "Mbugua",
    "Cheruiyot",
    "Juma",
    "Ali",
];
const MAIL: &[&str] = &["gmail.com", "yahoo.com", "mail.ke", "gmail.com", "example.org"];
const TAGS: &[&str] =
    &["returning", "group-lender", "farmer", "trader", "salaried", "vip", "referred", "agent", "youth", "chama"];
const NICKNAMES: &[&str] = &["Shiro", "Mama Mboga", "Kevo", "Bro", "Ciku", "Otis", "Mkubwa", "Kui", "Toto", "Jaymo"];

/// Customer number `number` (from 1), who joined before `AS_OF`.
pub(super) fn customer(number: u64, chance: &mut Chance) -> Customer {
    let joined = AS_OF - chance.between(2 * DAY / MINUTE, 930 * DAY / MINUTE) * MINUTE;
    let updated = chance.between(joined / MINUTE, AS_OF / MINUTE) * MINUTE;
    customer_at(number, joined, updated, chance)
}

pub(super) fn customer_at(number: u64, joined: i64, updated: i64, chance: &mut Chance) -> Customer {
    let customer_id = format!("CUST{number:08}");
    let is_woman = chance.happens(0.54);
    let first = match (chance.happens(0.25), is_woman) {
        (true, _) => chance.fake::<String, _>(FirstName()),
        (false, true) => chance.pick(FIRST_F).to_owned(),
        (false, false) => chance.pick(FIRST_M).to_owned(),
    };
    let last: String = if chance.happens(0.1) { chance.fake(LastName()) } else { chance.pick(LAST).to_owned() };
    let gender = match (chance.happens(0.03), is_woman) {
        (true, _) => Bson::Null,
        (false, true) => "F".into(),
        (false, false) => "M".into(),
    };
    let dob = AS_OF / DAY * DAY - chance.between(19 * 365, 68 * 365) * DAY;
    let email = format!(
        "{}.{}{}@{}",
        first.to_lowercase().replace([' ', '\''], ""),
        last.to_lowercase().replace([' ', '\''], ""),
        number % 1000,
        chance.pick(MAIL)
    );
    let (status, income) = match chance.weighted(&[42, 38, 8, 12]) {
        0 => ("self-employed", chance.between(80, 900)),
        1 => ("employed", chance.between(180, 1600)),
        2 => ("retired", chance.between(90, 500)),
        _ => ("unemployed", chance.between(0, 60)),
    };
    let phones = (0..chance.weighted(&[18, 68, 12, 2])).map(|index| phone(index, chance)).collect::<Vec<_>>();
    let tags = (0..chance.weighted(&[60, 28, 10, 2])).map(|_| chance.pick(TAGS)).fold(Vec::new(), |mut tags, tag| {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        tags
    });
    let mut document = doc! {
        "_id": chance.object_id(joined),
        "customer_id": &customer_id,
        "name": { "first": first, "last": last },
        "dob": date(dob),
        "gender": gender,
        "email": email,
        "phones": phones,
        "address": address(chance),
        "kyc": papers(joined, chance),
        "employment": { "status": status, "monthly_income": decimal(income * 10_000) },
        "dependents": i32::try_from(chance.between(0, 7)).unwrap_or(0),
        "score": chance.between(300, 850),
        "tags": tags,
    };
    if chance.happens(0.12) {
        document.insert("nickname", chance.pick(NICKNAMES));
    }
    document.insert("created_at", date(joined));
    document.insert("updated_at", date(updated));
    Customer { customer_id, joined, document }
}

pub(super) fn phone(index: usize, chance: &mut Chance) -> Document {
    let kind = if index == 0 { "mobile" } else { chance.pick(&["mobile", "home", "work"]) };
    let prefix = chance.pick(&["+2547", "+2541", "+2547", "+2567", "+2557"]);
    doc! { "type": kind, "number": format!("{prefix}{:08}", chance.between(0, 99_999_999)) }
}

fn address(chance: &mut Chance) -> Document {
    let (city, code, longitude, latitude) = chance.pick(CITIES);
    let street: String = chance.fake(StreetName());
    // Within about ten kilometres, with four digits: precise enough for a street, but not for a house.
    let mut near = |at: f64| ((at + chance.between(-900, 900) as f64 / 10_000.0) * 10_000.0).round() / 10_000.0;
    let coordinates = vec![near(longitude), near(latitude)];
    doc! {
        "street": format!("{} {street}", chance.between(1, 240)),
        "city": city,
        "postal_code": format!("{code}{:02}", chance.between(0, 99)),
        "geo": { "type": "Point", "coordinates": coordinates },
    }
}

fn papers(joined: i64, chance: &mut Chance) -> Document {
    let (kind, number) = match chance.weighted(&[80, 14, 6]) {
        0 => ("national_id", chance.between(10_000_000, 39_999_999).to_string()),
        1 => ("passport", format!("A{}", chance.between(1_000_000, 9_999_999))),
        _ => ("alien_id", chance.between(100_000, 999_999).to_string()),
    };
    let documents: Vec<Document> = (0..chance.weighted(&[55, 30, 12, 3]))
        .map(|_| paper(joined + chance.between(0, 600) * MINUTE, chance))
        .collect();
    doc! { "id_type": kind, "id_number": number, "verified": chance.happens(0.86), "documents": documents }
}

pub(super) fn paper(at: i64, chance: &mut Chance) -> Document {
    let kind = chance.pick(&["id_front", "id_back", "selfie", "payslip", "bank_statement", "utility_bill"]);
    doc! { "kind": kind, "uploaded_at": date(at) }
}

pub(super) fn date(at: i64) -> DateTime {
    DateTime::from_millis(at)
}
