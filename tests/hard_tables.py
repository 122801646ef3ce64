"""Good answers to `tables`, and to the project's name, that are hard to get right."""

from typing import Any

Tables = list[str]

EVERY_TYPE = (
    "a_str:str(80) a_text:text an_int:int a_bigint:bigint a_float:float a_decimal:decimal(12,2) a_bool:bool "
    "a_date:date a_datetime:datetime a_uuid:uuid a_json:json an_enum:enum(one,two)"
)


def _each_null(fields: str) -> str:
    return " ".join(f"{field}:null" for field in fields.split())


def _numbered(kind: str, ends: list[str]) -> str:
    """One field of this type for each way to end it."""
    return " ".join(f"{kind.partition('(')[0]}_{number}:{kind}{end}" for number, end in enumerate(ends))


def _every_modifier() -> str:
    number = [":null", ":unique", ":index", ":null:unique", ":null:index", ":default(3)", ":min(-5)", ":max(99)"]
    number += [":min(1):max(2000)", ":default(5):min(1):max(9):index"]
    parts = [_numbered(kind, number) for kind in ("int", "bigint", "float", "decimal(9,3)")]
    parts += [_numbered("str(40)", [":null", ":unique", ":index", ":null:unique", ":default(kg)"])]
    parts += [_numbered("text", [":null", ":default(a#b)"]), _numbered("json", [":null"])]
    parts += [_numbered("bool", [":null", ":default(true)", ":default(false)", ":null:default(true)"])]
    parts += [_numbered("date", [":null", ":unique", ":index", ":default(2024-02-29)"])]
    parts += [_numbered("datetime", [":null", ":unique", ":index", ":default(now)"])]
    parts += [_numbered("uuid", [":null", ":unique", ":index"])]
    parts += [_numbered("enum(on,off)", [":null", ":index", ":default(off)", ":null:index:default(on)"])]
    return " ".join(parts)


def _chain(length: int) -> Tables:
    """Each table refers to the one before it."""
    actions = ("cascade", "restrict", "null:setnull")
    return [
        f"Link{number} name:str(40):index" + (f" before:Link{number - 1}:{actions[number % 3]}" if number else "")
        for number in range(length)
    ]


def _longest() -> Tables:
    first, second = "A" + "b" * 29, "C" + "d" * 29
    reference = f"{'f' * 27}:{second}:null"
    state = f"{'g' * 20}:enum({'h' * 30},{'i' * 29}j):index:default({'h' * 30})"
    return [
        f"{first}/{'e' * 20} {reference} {state} {'k' * 30}:decimal(12,2):index:min(0) {'m' * 27}:{second}:cascade",
        f"{second}/{'n' * 20} {'p' * 30}:str(10000) {'q' * 30}:str(600):unique {'r' * 30}:text:default({'s' * 60})",
        f"{'Wx' * 15} y:str(1)",
        # The link table and its key are 29 and 21 letters, its constraints 63.
        f"{'T' + 'u' * 9} {'v' * 18}:{second}[]",
    ]


TABLES: dict[str, Tables] = {
    "one table with one field": ["Note title:str(80)"],
    "25 tables": _chain(25),
    "60 fields": ["Wide " + " ".join(f"field_{number}:int:null" for number in range(60))],
    "names of SQL": [
        "Order number:int",
        "User name:str(80) order:Order",
        "Group user:User:cascade members:User[]",
        "Select offset_of:int from_order:Order:null",
        "Table size:int",
        "Column name:str(80) in_table:Table:cascade",
        "Primary/primaries value:int:index rows:int cursor_text:text",
    ],
    "names of Python and its libraries": [
        "Text body:text",
        "Index value:int:index position:int",
        "Integer text:Text:cascade",
        "Column index:Index:null:setnull",
        "String length:int",
        "Date day:date",
        "Test name:str(80) fixture:text",
        "Client host:str(80)",
        "Event data:json hash_of:str(64)",
        "Engine status:enum(started,none,true,class)",
    ],
    "names like our own": [
        "SessionLog token:str(64):unique",
        "Setting value:text page_of:int",
        "Model name:str(80)",
        "Schema the_model:Model:cascade",
        "App database:str(80)",
        "Filter title:str(80) detail:text:null instance:uuid",
        "Main title:str(80)",
    ],
    "every type": [f"Everything {EVERY_TYPE}"],
    "every modifier": [f"Everything {_every_modifier()}"],
    "only nullable fields": [f"Maybe {_each_null(EVERY_TYPE)} other:Maybe:null"],
    "self-reference": ["Category name:str(80):unique parent:Category:null"],
    "self-reference, each way": [
        "Node up:Node:null:cascade down:Node:null:setnull across:Node:null:restrict alone:Node:null:unique"
    ],
    "two references to one table": ["Station name:str(80)", "Trip start:Station:cascade goal:Station:cascade"],
    "a reference each way": ["Team name:str(80) lead:Member:null", "Member name:str(80) team:Team:cascade"],
    "many-to-many to itself": ["User name:str(80) friends:User[] blocked:User[]"],
    "many-to-many twice": ["Tag name:str(80)", "Post title:str(80) tags:Tag[] hidden_tags:Tag[] author:Tag:null"],
    "many-to-many each way": ["Book title:str(80) authors:Writer[]", "Writer name:str(80) favourites:Book[]"],
    "nullable cycle of two": ["Egg hen:Hen:null", "Hen egg:Egg:null:setnull"],
    "nullable cycle of three": [
        "Rock scissors:Scissors:null:cascade",
        "Scissors/scissor_pairs paper:Paper",
        "Paper rock:Rock:restrict",
    ],
    "one-to-one": ["Person/people name:str(80)", "Passport number:str(20):unique holder:Person:unique:cascade"],
    "every action": [
        "Target name:str(80):unique",
        "Source a:Target:cascade b:Target:restrict c:Target:null:setnull d:Target:null:cascade e:Target:unique",
    ],
    "deep cascade": [
        "Country name:str(80)",
        "City country:Country:cascade",
        "Street city:City:cascade",
        "House street:Street:cascade mayor_of:City:null:setnull",
    ],
    "computed": [
        (
            "Parcel width:int:min(1):max(1000) height:int:null:min(1):max(1000) price:decimal(10,2):null "
            "rate:float:min(0):max(9) perimeter:int:computed((width+height)*2) half:decimal(10,2):computed(price/2) "
            "minus:int:computed(-width+3) area:bigint:computed(width*(-height)) scaled:float:computed(rate*1.5)"
        ),
    ],
    "enum of 50 values": [
        f"Choice value:enum({','.join(f'value_{number}' for number in range(50))}):index other:enum({'x' * 30})"
    ],
    "edges of numbers": [
        (
            "Edge a:int:min(-2147483648):max(2147483647) b:bigint:min(-9223372036854775808):index c:int:min(-9) "
            "d:float:min(-0.5):max(0.25):default(-0.25) e:decimal(4,4):min(-0.5):default(0.125) f:decimal(30,0):min(0) "
            "g:int:min(0):max(99):unique h:decimal(1,0):index just:int:min(7):max(7)"
        ),
    ],
    "huge decimals": ["Huge amount:decimal(1000,500) count:decimal(1000,0):index tiny:decimal(500,500):min(0)"],
    "longest names": _longest(),
    "shortest names": ["Aa b:int:index c:Bb", "Bb d:str(1) e:Aa[]"],
    "names with digits": [
        "Table2 a1:int v2_value:text:null",
        "Table10 x:Table2:cascade y:Table2[]",
        "Http2Server table10:Table10",
        "ABTest variant:str(1)",
        "UserID2 value:int",
    ],
    "flags": [
        "Shelf +shared name:str(80):unique",
        "Diary +owned title:str(80) shelf:Shelf:null",
        "Page2 +owned diary:Diary:cascade",
    ],
    "owned beside shared": [
        "Tag +shared name:str(80):unique broader:Tag:null:setnull related:Tag[]",
        "Label +shared name:str(80) tags:Tag[] partner:Badge:null",
        "Badge +shared label:Label:null:cascade",
        "Person/people name:str(80):unique friends:Person[] favourites:Tag[] mentor:Person:null:setnull",
        "Hen egg:Egg:null:setnull best_tag:Tag:null:unique",
        "Egg hen:Hen:null:cascade laid_by:Person tag:Tag:null:setnull",
        "Vote tag:Tag:unique person:Person:unique",
        "Visit +partitioned(seen_at) seen_at:datetime person:Person:cascade tag:Tag:null:setnull",
        "Reading +partitioned(taken_at) +shared taken_at:datetime tag:Tag:restrict value:float:index",
    ],
    "nothing but what every owned table has": ["Blob data:json", "Sketch +owned blob:Blob:null"],
    "partitioned": [
        "Product name:str(80):unique",
        (
            "Event +partitioned(occurred_at) kind:enum(seen,bought):index:default(seen) count_of:int:min(1) "
            "amount:decimal(9,2):index:min(0) total:decimal(12,2):computed(amount*count_of) occurred_at:datetime "
            "product:Product:null:setnull viewer:Product:cascade payload:json"
        ),
        "Ping +partitioned(sent) +shared sent:datetime:default(now)",
        "Note event_id:uuid:index title:str(80)",
    ],
    "partitioned, longest names": [
        f"A{'b' * 29}/{'c' * 20} +partitioned({'d' * 30}) {'d' * 30}:datetime {'e' * 27}:Target:null {EVERY_TYPE}",
        f"{'Fg' * 15} +partitioned(h) h:datetime {'i' * 5}:int:index noted:datetime:default(now)",
        "Aa +partitioned(event) b:Target:restrict event:datetime",
        "Target name:str(80)",
    ],
    "plurals": [
        "Person/people name:str(80)",
        "Box width:int persons:Person[]",
        "Baby/babies name:str(80) boxes:Box[]",
        "Bus name:str(80)",
        "Sheep/flock name:str(80) buses:Bus[]",
        "Hero name:str(80) bus:Bus",
        "Day date_of:date heroes:Hero[]",
    ],
}

PROJECT_NAMES = {
    "quotes": """Tom's "Fish" & Chips""",
    "non-ASCII": "Café Zürich · 東京 №1",
    "markup": "<b>A/B</b> $HOME `x` #1: 100% [y]",
    "60 letters": "a" * 60,
    "spaces and digits": " 3rd  Shop. ",
}

HARD: dict[str, dict[str, Any]] = {
    **{name: {"tables": tables} for name, tables in TABLES.items()},
    **{
        f"project name with {name}": {"project_name": text, "tables": ["Note title:str(80)"]}
        for name, text in PROJECT_NAMES.items()
    },
}
# A service that signs people in has a table of that name itself.
HARD |= {
    name: {**answers, "auth": "none"}
    for name, answers in HARD.items()
    if " User " in f" {answers['tables']} ".replace("'", " ")
}
