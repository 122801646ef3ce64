"""Random valid answers to `tables`, over the whole language; the same seed makes the same ones."""

import random
import string
from collections.abc import Iterator

Lines = list[str]

NUMBERS = ("int", "bigint", "float", "decimal")


def random_tables(seed: int) -> Iterator[Lines]:
    """Yield sets of tables without end. A set is refused now and then, mostly for names that are too long together."""
    chance = random.Random(seed)
    while True:
        yield _Tables(chance).lines()


class _Tables:
    """One set of tables."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.names: list[str] = []
        self.targets: list[str] = []
        self.shared: set[str] = set()
        # In a set, names are all short, all long or mixed: what fits on a line decides the layout.
        self.letters = chance.choice([(2, 6), (3, 12), (3, 30), (20, 30)])

    def lines(self) -> Lines:
        count = self.chance.choice([1, 1, 2, 3, 4, 5, 8])
        self.names = [self.class_name() for _ in range(count)]
        # The other tables are partitioned, and nothing refers to them.
        self.targets = [name for name in self.names if self.maybe(0.85)]
        self.shared = {name for name in self.names if self.maybe(0.4)}
        return [self.line(name) for name in self.names]

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def word(self, most: int = 30) -> str:
        low, high = self.letters
        length = self.chance.randint(min(low, most), min(high, most))
        return "".join(self.chance.choice(string.ascii_lowercase) for _ in range(max(length, 2)))

    def class_name(self) -> str:
        word = self.word()
        cut = self.chance.randrange(1, len(word))
        return (word[:cut].capitalize() + word[cut:].capitalize()) if self.maybe(0.5) else word.capitalize()

    def field_name(self) -> str:
        word = self.word()
        cut = self.chance.randrange(1, len(word))
        return f"{word[:cut]}_{word[cut:]}"[:30] if self.maybe(0.4) and cut else word

    def line(self, name: str) -> str:
        head = f"{name}/{self.word(20)}" if self.maybe(0.3) else name
        flag = " +shared" if name in self.shared else self.chance.choice(["", "", " +owned"])
        count = self.chance.choice([1, 2, 3, 5, 8, 13])
        fields = [self.field(name) for _ in range(count)]
        if name not in self.targets:
            fields = [field.replace(":unique", "") for field in fields if not field.endswith("[]")]
            fields.append(f"{self.field_name()}:datetime{self.chance.choice(['', ':index', ':default(now)'])}")
            flag += f" +partitioned({fields[-1].split(':')[0]})"
        numbers = [field.split(":")[0] for field in fields if field.split(":")[1].split("(")[0] in NUMBERS]
        if len(numbers) > 1 and self.maybe(0.5):
            expression = f"{numbers[0]}{self.chance.choice('+-*')}{numbers[1]}"
            fields.append(
                f"{self.field_name()}:{self.chance.choice(['int', 'decimal(20,4)', 'float'])}:computed({expression})"
            )
        return f"{head}{flag} {' '.join(fields)}"

    def targets_of(self, table: str) -> list[str]:
        """What a table may refer to: a shared one only to shared ones."""
        return [name for name in self.targets if table not in self.shared or name in self.shared]

    def field(self, table: str) -> str:
        kinds = ["str", "text", *NUMBERS, "bool", "date", "datetime", "uuid", "json", "enum"]
        kinds += ["reference", "many"] if self.targets_of(table) else []
        kind = self.chance.choice(kinds)
        name = self.field_name()
        if kind == "many":
            return f"{name}:{self.chance.choice(self.targets_of(table))}[]"
        make = getattr(self, f"_{kind}", None)
        return f"{name}:{make(table) if make else kind + self.ending(kind)}"

    def ending(self, kind: str) -> str:
        """Modifiers of a type without arguments of its own."""
        null = ":null" if self.maybe(0.3) else ""
        searched = self.chance.choice(["", "", ":index", ":unique"]) if kind not in ("text", "bool", "json") else ""
        default = "" if searched == ":unique" or self.maybe(0.6) else self.default(kind)
        return null + searched + default

    def default(self, kind: str) -> str:
        values = {
            "text": self.word(),
            "bool": self.chance.choice(["true", "false"]),
            "datetime": "now",
            "date": f"{self.chance.randint(1900, 2100)}-02-{self.chance.randint(1, 28):02}",
        }
        return f":default({values[kind]})" if kind in values else ""

    def numeric(self, least: int, most: int) -> str:
        """Modifiers of a number between these."""
        low, middle, high = sorted(self.chance.randint(least, most) for _ in range(3))
        parts = [":null" if self.maybe(0.3) else "", self.chance.choice(["", "", ":index"])]
        parts += [f":default({middle})" if self.maybe(0.3) else "", f":min({low})" if self.maybe(0.4) else ""]
        parts += [f":max({high})" if self.maybe(0.4) else ""]
        self.chance.shuffle(parts)
        return "".join(parts) if self.maybe(0.8) else ":unique"

    def _int(self, _table: str) -> str:
        return "int" + self.numeric(*self.chance.choice([(-9, 9), (0, 10**6), (-(2**31), 2**31 - 1)]))

    def _bigint(self, _table: str) -> str:
        return "bigint" + self.numeric(*self.chance.choice([(-9, 9), (-(2**63), 2**63 - 1)]))

    def _float(self, _table: str) -> str:
        return "float" + self.numeric(-(10**9), 10**9)

    def _decimal(self, _table: str) -> str:
        digits = self.chance.choice([3, 6, 12, 38, 1000])
        places = self.chance.randint(0, digits - 3)
        most = 10 ** min(digits - places, 20) - 1
        return f"decimal({digits},{places})" + self.numeric(-most, most)

    def _str(self, _table: str) -> str:
        return f"str({self.chance.randint(30, 600)})" + (self.ending("str") or f":default({self.word()})")

    def _enum(self, _table: str) -> str:
        values = sorted({f"{self.word(20)}{number}" for number in range(self.chance.choice([1, 2, 5, 20, 50]))})
        parts = [":null" if self.maybe(0.3) else "", ":index" if self.maybe(0.3) else ""]
        parts += [f":default({self.chance.choice(values)})" if self.maybe(0.3) else ""]
        return f"enum({','.join(values)})" + "".join(parts)

    def _reference(self, table: str) -> str:
        # One without null leads to a table above: so there is no cycle in which each row needs the next one first.
        above = [name for name in self.names[: self.names.index(table)] if name in self.targets_of(table)]
        if above and self.maybe(0.5):
            return self.chance.choice(above) + self.chance.choice(["", ":unique", ":cascade", ":restrict"])
        actions = ["", ":cascade", ":restrict", ":setnull", ":unique", ":unique:setnull"]
        return self.chance.choice(self.targets_of(table)) + ":null" + self.chance.choice(actions)
