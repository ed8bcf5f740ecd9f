//! Times as files spell them: ISO texts of several sorts, Julian days, Unix seconds. SQLite has no type for times, so each
//! program writes its own spelling: <https://www.sqlite.org/lang_datefunc.html>.

use super::{Cell, DataType, Value, timestamp_text};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// From year 0 to year 9999, in Julian days. Such numbers are days; others count seconds.
const JULIAN: std::ops::Range<f64> = 1_721_059.5..5_373_484.5;

/// The Julian day of 1970-01-01 00:00.
const EPOCH: f64 = 2_440_587.5;

/// The last second of year 9999. Greater numbers count milliseconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Years in which a number of eight digits is a date: `19960704`.
const YEARS: std::ops::Range<i32> = 1800..2200;

/// The numbers of eight digits that are dates of such years.
const DIGITS: (f64, f64) = (18_000_101.0, 21_991_231.0);

/// How the values of a column are spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spelling {
    /// There are none yet.
    Free,
    /// As the shell and Diesel write them: a blank, seconds, and a fraction of 3, 6 or 9 digits where there is one.
    Ours,
    /// A date; behind it a time of day, where there is one, and a zone, which may be empty.
    Iso(Option<Clock>, String),
    /// A time of day alone.
    Time(Clock),
    /// Days since noon of 24 November 4714 BC.
    Julian,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    Millis,
    /// A date as a number of eight digits.
    Digits,
}

/// How a time of day is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What stands before it: a blank or `T`.
    separator: char,
    /// Whether it has seconds.
    seconds: bool,
    /// How many digits its fraction has.
    fraction: usize,
}

/// What a value says, and how.
struct Read {
    time: NaiveDateTime,
    spelling: Spelling,
}

/// Whether values of a type are times, whatever their spelling.
#[must_use]
pub const fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp | DataType::TimestampTz | DataType::Date | DataType::Time)
}

/// The time that a text or number stands for, in UTC.
#[must_use]
pub fn instant(value: &Value) -> Option<NaiveDateTime> {
    read(value.as_cell()).map(|read| read.time)
}

/// The time that a text stands for, if it is a number of days or seconds, or a date of eight digits.
#[must_use]
pub fn of_digits(text: &str) -> Option<NaiveDateTime> {
    let number: f64 = text.parse().ok()?;
    // A small number is more likely a slip than the year 1970.
    (number.abs() >= JULIAN.start).then(|| of_number(number)).flatten().map(|read| read.time)
}

/// One spelling for each time, which sorts as times do; what is no time stays as it is.
#[must_use]
pub fn normal(text: &str) -> Option<String> {
    if let Some(read) = read(Cell::Text(text)) {
        return Some(spelled(read.time));
    }
    clock(text).map(|(time, _)| time.format("%T%.f").to_string())
}

/// The day of a time; what is no time stays as it is.
#[must_use]
pub fn normal_day(text: &str) -> Option<String> {
    read(Cell::Text(text)).map(|read| read.time.date().to_string())
}

/// A value in the spelling of [`normal`], or of [`normal_day`] for dates.
#[must_use]
pub fn normal_value(value: &Value, data_type: &DataType) -> Option<Value> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Int(_) | Value::Float(_) => value.to_string(),
        _ => return None,
    };
    let normal = if *data_type == DataType::Date { normal_day(&text) } else { normal(&text) };
    normal.map(Value::Text)
}

/// Where values stand that may be times between two bounds, in the order in which SQLite has them: texts, and ranges of
/// numbers. All such values are within; others may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// From this text on.
    pub from: Option<String>,
    /// Before this text.
    pub to: Option<String>,
    /// Or from one of these numbers to the other.
    pub numbers: Vec<(f64, f64)>,
}

/// Where every spelling of the times between two bounds stands; the bounds are spelled by [`normal`]. A zone moves a text by
/// less than a day; a time of day begins with its hour and minute.
#[must_use]
pub fn around(from: Option<&str>, to: Option<&str>) -> Option<Around> {
    let minute = |text: &str| text.get(..5).filter(|_| text.as_bytes().get(2) == Some(&b':')).map(str::to_owned);
    if from.or(to).and_then(minute).is_some() {
        let to = to.map(|to| minute(to).map(|to| to + "~"));
        return Some(Around { from: from.and_then(minute), to: to.flatten(), numbers: Vec::new() });
    }
    let day = |text: &str| -> Option<NaiveDate> { text.get(..10)?.parse().ok() };
    let before = from.map(|from| day(from)?.checked_sub_days(Days::new(1))).map_or(Some(None), |day| day.map(Some))?;
    let behind = to.map(|to| day(to)?.checked_add_days(Days::new(2))).map_or(Some(None), |day| day.map(Some))?;
    let seconds = |day: Option<NaiveDate>, otherwise: f64| {
        day.map_or(otherwise, |day| day.and_time(NaiveTime::MIN).and_utc().timestamp() as f64)
    };
    let (first, last) = (seconds(before, -LAST_SECOND), seconds(behind, LAST_SECOND));
    let digits = |day: Option<NaiveDate>, otherwise: f64| {
        day.and_then(|day| day.format("%Y%m%d").to_string().parse().ok()).unwrap_or(otherwise)
    };
    let (least, most) = DIGITS;
    let ranges = [
        ((first / 86_400.0 + EPOCH, last / 86_400.0 + EPOCH), (JULIAN.start, JULIAN.end)),
        ((first, last), (-LAST_SECOND, JULIAN.start)),
        ((first, last), (JULIAN.end, LAST_SECOND)),
        ((first * 1e3, last * 1e3), (LAST_SECOND, LAST_SECOND * 1e3)),
        ((first * 1e3, last * 1e3), (-LAST_SECOND * 1e3, -LAST_SECOND)),
        ((digits(before, least), digits(behind, most)), DIGITS),
    ];
    let numbers = ranges
        .into_iter()
        .map(|((from, to), (least, most)): ((f64, f64), (f64, f64))| (from.max(least), to.min(most)))
        .filter(|(from, to)| from <= to)
        .collect();
    Some(Around { from: before.map(|day| day.to_string()), to: behind.map(|day| day.to_string()), numbers })
}

/// As the shell writes a time, to the nanosecond.
fn spelled(time: NaiveDateTime) -> String {
    use chrono::Timelike as _;
    if time.nanosecond().is_multiple_of(1_000) { timestamp_text(time) } else { time.format("%F %T%.f").to_string() }
}

impl Spelling {
    /// The one spelling of all these values, if they have one.
    pub fn common<'c>(values: impl IntoIterator<Item = Cell<'c>>) -> Option<Self> {
        let mut first: Option<Self> = None;
        let (mut same, mut ours) = (true, true);
        for value in values {
            let spelling = Self::of(value)?;
            ours = ours && matches!((&value, normal_cell(value)), (Cell::Text(text), Some(normal)) if normal == *text);
            same = same && first.as_ref().is_none_or(|first| *first == spelling);
            if !(same || ours) {
                return None;
            }
            first.get_or_insert(spelling);
        }
        if first.is_none() {
            return Some(Self::Free);
        }
        if ours { Some(Self::Ours) } else { first }
    }

    /// How a value is spelled, if it is a time.
    #[must_use]
    pub fn of(value: Cell<'_>) -> Option<Self> {
        match read(value) {
            Some(read) => Some(read.spelling),
            None => match value {
                Cell::Text(text) => clock(text).map(|(_, clock)| Self::Time(clock)),
                _ => None,
            },
        }
    }

    /// A value in this spelling, whole: what the spelling has no place for widens it.
    #[must_use]
    pub fn write(&self, value: &Value) -> Option<Value> {
        if let Self::Time(shape) = self {
            let (time, _) = clock(value.as_text()?)?;
            return Some(Value::Text(shape.write(time, "")));
        }
        let time = instant(value)?;
        let seconds = time.and_utc().timestamp();
        let micros = time.and_utc().timestamp_micros();
        let midnight = time.time() == NaiveTime::MIN;
        Some(match self {
            Self::Iso(clock, zone) => {
                let local = time.checked_add_signed(TimeDelta::minutes(offset(zone)?))?;
                match clock {
                    None if midnight && zone.is_empty() => Value::Text(time.date().to_string()),
                    None => Value::Text(spelled(time)),
                    Some(clock) => Value::Text(format!("{}{}", local.date(), clock.write(local.time(), zone))),
                }
            }
            Self::Julian => Value::Float(EPOCH + micros as f64 / 86_400e6),
            Self::Unix if micros % 1_000_000 == 0 => Value::Int(seconds),
            Self::Unix => Value::Float(micros as f64 / 1e6),
            Self::Millis if micros % 1_000 == 0 => Value::Int(micros / 1_000),
            Self::Digits if midnight => Value::Int(time.format("%Y%m%d").to_string().parse().ok()?),
            Self::Free | Self::Ours | Self::Millis | Self::Digits | Self::Time(_) => Value::Text(spelled(time)),
        })
    }
}

impl Clock {
    /// The separator, the time with as many digits as it needs, and the zone.
    fn write(self, time: NaiveTime, zone: &str) -> String {
        use chrono::Timelike as _;
        let mut digits = format!("{:09}", time.nanosecond() % 1_000_000_000);
        let needed = digits.trim_end_matches('0').len().max(self.fraction);
        digits.truncate(needed);
        let seconds = self.seconds || time.second() > 0 || needed > 0;
        let mut text = time.format(if seconds { "%T" } else { "%R" }).to_string();
        if self.separator != '\0' {
            text.insert(0, self.separator);
        }
        if needed > 0 {
            text.push('.');
            text.push_str(&digits);
        }
        text + zone
    }
}

fn normal_cell(value: Cell<'_>) -> Option<String> {
    match value {
        Cell::Text(text) => normal(text),
        _ => None,
    }
}

fn read(value: Cell<'_>) -> Option<Read> {
    match value {
        Cell::Text(text) => iso(text).or_else(|| {
            let number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
            number.then(|| text.parse().ok().and_then(of_number)).flatten()
        }),
        Cell::Int(number) => of_number(number as f64),
        Cell::Float(number) => of_number(number),
        _ => None,
    }
}

fn of_number(number: f64) -> Option<Read> {
    let whole = number.fract() == 0.0;
    if whole && (DIGITS.0..=DIGITS.1).contains(&number) {
        let digits = number as i32;
        let date = NaiveDate::from_ymd_opt(digits / 10_000, (digits / 100 % 100) as u32, (digits % 100) as u32);
        if let Some(date) = date.filter(|_| YEARS.contains(&(digits / 10_000))) {
            return Some(Read { time: date.and_time(NaiveTime::MIN), spelling: Spelling::Digits });
        }
    }
    let (micros, spelling) = if JULIAN.contains(&number) {
        // A double has no more than milliseconds to spare at this size.
        (((number - EPOCH) * 86_400e3).round() * 1e3, Spelling::Julian)
    } else if number.abs() <= LAST_SECOND {
        ((number * 1e6).round(), Spelling::Unix)
    } else {
        ((number * 1e3).round(), Spelling::Millis)
    };
    if !micros.is_finite() || micros.abs() > LAST_SECOND * 1e6 {
        return None;
    }
    let time = DateTime::from_timestamp_micros(micros as i64)?.naive_utc();
    Some(Read { time, spelling })
}

/// A number of exactly so many digits.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

/// A date, and behind it perhaps a time of day and a zone; every part has all its digits.
fn iso(text: &str) -> Option<Read> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(&bytes[..4])?;
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), digits(&bytes[5..7])?, digits(&bytes[8..10])?)?;
    if bytes.len() == 10 {
        return Some(Read { time: date.and_time(NaiveTime::MIN), spelling: Spelling::Iso(None, String::new()) });
    }
    let separator = char::from(bytes[10]);
    if !matches!(separator, ' ' | 'T' | 't') {
        return None;
    }
    let (time, shape, zone) = time_of_day(text.get(11..)?)?;
    let minutes = offset(zone)?;
    let time = date.and_time(time).checked_sub_signed(TimeDelta::minutes(minutes))?;
    Some(Read { time, spelling: Spelling::Iso(Some(Clock { separator, ..shape }), zone.to_owned()) })
}

/// A time of day alone.
fn clock(text: &str) -> Option<(NaiveTime, Clock)> {
    let (time, clock, zone) = time_of_day(text)?;
    zone.is_empty().then_some((time, clock))
}

/// A time of day, its spelling, and what stands behind it.
fn time_of_day(text: &str) -> Option<(NaiveTime, Clock, &str)> {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&bytes[..2])?, digits(&bytes[3..5])?);
    let mut clock = Clock { separator: '\0', seconds: false, fraction: 0 };
    let (mut second, mut nanos, mut end) = (0, 0, 5);
    if bytes.get(5) == Some(&b':') {
        second = digits(bytes.get(6..8)?)?;
        (clock.seconds, end) = (true, 8);
        if bytes.get(8) == Some(&b'.') {
            clock.fraction = bytes[9..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&clock.fraction) {
                return None;
            }
            end = 9 + clock.fraction;
            nanos = digits(&bytes[9..end])? * 10_u32.pow(9 - clock.fraction as u32);
        }
    }
    Some((NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?, clock, text.get(end..)?))
}

/// How many minutes a zone is before UTC.
fn offset(zone: &str) -> Option<i64> {
    let bytes = zone.as_bytes();
    if matches!(bytes, [] | [b'Z' | b'z']) {
        return Some(0);
    }
    let sign = match bytes[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match bytes.len() {
        3 => (digits(&bytes[1..])?, 0),
        5 => (digits(&bytes[1..3])?, digits(&bytes[3..])?),
        6 if bytes[3] == b':' => (digits(&bytes[1..3])?, digits(&bytes[4..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::{Spelling, around, instant, normal, normal_day};
    use crate::model::{Cell, Value};

    #[test]
    fn every_spelling_of_a_time_is_the_same_time() {
        for text in [
            "1996-07-04 10:03:00",
            "1996-07-04 10:03",
            "1996-07-04T10:03:00",
            "1996-07-04 10:03:00.000",
            "1996-07-04T10:03:00.000000Z",
            "1996-07-04T12:03:00+02:00",
            "1996-07-04 05:03:00-0500",
            "836474580",
            "836474580.0",
            "836474580000",
            "2450268.91875",
        ] {
            assert_eq!(normal(text).as_deref(), Some("1996-07-04 10:03:00"), "{text}");
        }
        for text in ["1996-07-04", "19960704", "2450268.5", "1996-07-04T00:00Z"] {
            assert_eq!(normal(text).as_deref(), Some("1996-07-04 00:00:00"), "{text}");
        }
        assert_eq!(normal("1996-07-04 10:03:00.5").as_deref(), Some("1996-07-04 10:03:00.500"));
        assert_eq!(normal("1996-07-04 10:03:00.000000001").as_deref(), Some("1996-07-04 10:03:00.000000001"));
        assert_eq!(normal("10:03").as_deref(), Some("10:03:00"));
        assert_eq!(normal("-86400").as_deref(), Some("1969-12-31 00:00:00"));
        assert_eq!(normal_day("1996-07-04T23:00:00").as_deref(), Some("1996-07-04"));
        for text in
            ["7/4/1996", "1996-7-4", "1996-13-01", "1996-02-30", "1996-07-04x", "1996-07-04 25:00", "", "noon", "1e999"]
        {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn every_spelling_of_a_time_stands_around_it() {
        let time = "1996-07-04 00:00:00";
        let holds = |around: &super::Around, text: &str| {
            let texts = around.from.as_ref().is_none_or(|from| **from <= *text)
                && around.to.as_ref().is_none_or(|to| *text < **to);
            let number = |number: f64| around.numbers.iter().any(|(from, to)| (*from..=*to).contains(&number));
            text.parse().map_or(texts, number)
        };
        let (near, on, up) = (
            around(Some(time), Some(time)).unwrap(),
            around(Some(time), None).unwrap(),
            around(None, Some(time)).unwrap(),
        );
        for text in [
            "1996-07-03T14:00:00-10:00",
            "1996-07-04",
            "1996-07-04T14:00:00+14:00",
            "836438400",
            "836438400000",
            "2450268.5",
            "19960704",
        ] {
            assert_eq!(normal(text).as_deref(), Some(time));
            assert!(holds(&near, text) && holds(&on, text) && holds(&up, text), "{text}");
        }
        for (text, later) in [
            ("1995-07-04", false),
            ("2026-07-04", true),
            ("0", false),
            ("1700000000", true),
            ("1700000000000", true),
            ("2460000", true),
        ] {
            assert!(!holds(&near, text), "{text}");
            assert_eq!((holds(&on, text), holds(&up, text)), (later, !later), "{text}");
        }
        let hour = around(Some("09:30:00"), Some("09:31:00")).unwrap();
        assert!(holds(&hour, "09:30") && holds(&hour, "09:31:00.000") && !holds(&hour, "09:32"));
    }

    #[test]
    fn values_are_written_as_those_beside_them_are() {
        let time = Value::Text("1996-07-04 10:03:00".into());
        for text in [
            "1990-01-01 00:00:00.000",
            "1990-01-01T00:00:00",
            "1990-01-01T00:00:00.000000Z",
            "1990-01-01 00:00",
            "1990-01-01T01:00:00+01:00",
        ] {
            let written = Spelling::of(Cell::Text(text)).unwrap().write(&time).unwrap();
            let written = written.as_text().unwrap();
            assert_eq!(written.len(), text.len(), "{text} {written}");
            assert_eq!(normal(written).as_deref(), Some("1996-07-04 10:03:00"));
            assert_eq!(Spelling::of(Cell::Text(written)), Spelling::of(Cell::Text(text)));
        }
        for number in [Cell::Int(600_000_000), Cell::Float(2_450_000.25), Cell::Int(600_000_000_000)] {
            let written = Spelling::of(number).unwrap().write(&time).unwrap();
            assert_eq!(instant(&written), instant(&time), "{written}");
        }
        let date = Spelling::of(Cell::Text("1990-01-01")).unwrap();
        assert_eq!(date.write(&Value::Text("1996-07-04 00:00:00".into())), Some(Value::Text("1996-07-04".into())));
        assert_eq!(date.write(&time), Some(time));
        let clock = Spelling::of(Cell::Text("10:03")).unwrap();
        assert_eq!(clock.write(&Value::Text("09:00:00".into())), Some(Value::Text("09:00".into())));
    }

    #[test]
    fn one_spelling_is_found_and_several_are_not_taken_for_one() {
        let common = |texts: &[&str]| Spelling::common(texts.iter().map(|text| Cell::Text(text)));
        assert_eq!(common(&[]), Some(Spelling::Free));
        assert_eq!(common(&["1996-07-04 10:03:00", "1996-07-04 10:03:00.500"]), Some(Spelling::Ours));
        assert!(matches!(common(&["1996-07-04", "1996-07-05"]), Some(Spelling::Iso(None, _))));
        assert!(matches!(common(&["1996-07-04 10:03:00.000", "1996-07-04 10:03:00.500"]), Some(Spelling::Iso(..))));
        assert_eq!(common(&["1996-07-04", "1996-07-05 00:00:00"]), None);
        assert_eq!(common(&["1996-07-04 10:03:00", "1996-07-04 10:03:00.000"]), None);
        assert_eq!(common(&["1996-07-04", "7/4/1996"]), None);
        assert_eq!(Spelling::common([Cell::Int(836_474_580), Cell::Text("1996-07-04")]), None);
        assert_eq!(Spelling::common([Cell::Int(2_450_268), Cell::Float(2_450_268.5)]), Some(Spelling::Julian));
    }
}
