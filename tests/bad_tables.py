"""Answers to `tables` that are refused: what is typed (YAML), words of the message, the line and the field it names."""

from typing import NamedTuple


class Bad(NamedTuple):
    tables: str
    words: str
    line: int | None = 1
    field: str | None = None


def field(text: str, words: str) -> Bad:
    """A table Note whose last field is wrong."""
    return Bad(f"- Note {text}", words, field=text.rsplit(maxsplit=1)[-1].split(":", maxsplit=1)[0])


def head(text: str, words: str) -> Bad:
    """A line that is wrong as a whole."""
    return Bad(f"- {text} title:str(80)", words)


LETTERS_31 = "a" * 31

BAD: dict[str, Bad] = {
    # Not a list of lines
    "nothing": Bad("", "a list with one line for each table", None),
    "null": Bad("null", "a list with one line for each table", None),
    "empty list": Bad("[]", "a list with one line for each table", None),
    "empty mapping": Bad("{}", "a list with one line for each table", None),
    "number": Bad("5", "a list with one line for each table", None),
    "true": Bad("true", "a list with one line for each table", None),
    "date": Bad("2024-01-31", "a list with one line for each table", None),
    "text": Bad("Note title:str(80)", "a list with one line for each table", None),
    "mapping of tables": Bad("Note: {title: str}", "a list with one line for each table", None),
    "set": Bad("!!set {Note, Tag}", "a list with one line for each table", None),
    "201 tables": Bad("\n".join(f"- Table{n} a:int" for n in range(201)), "201 tables are more than 200", None),
    # Items that are no line
    "item null": Bad("[null]", "is not text"),
    "item number": Bad("[7]", "is not text"),
    "item bool": Bad("[Note a:int, yes]", "is not text", 2),
    "item date": Bad("[2024-01-31]", "is not text"),
    "item list": Bad("[[Note a:int]]", "is not text"),
    "item empty list": Bad("[[]]", "is not text"),
    "item itself": Bad("&a [*a]", "is not text"),
    "item bytes": Bad("[!!binary Tm90ZQ==]", "is not text"),
    "item empty mapping": Bad("[{}]", "a colon before a space or at the end makes this a mapping"),
    "item mapping": Bad("- Note title: str(80)", "a colon before a space or at the end makes this a mapping"),
    "item mapping with a list": Bad(
        "- Note:\n    - title:str(80)", "a colon before a space or at the end makes this a mapping"
    ),
    "item mapping with a null key": Bad(
        "- {null: [1, {a: b}]}", "a colon before a space or at the end makes this a mapping"
    ),
    "item mapping by its last colon": Bad("- Note title:", "a colon before a space or at the end makes this a mapping"),
    "item empty": Bad("['']", "is empty"),
    "item blank": Bad('[" \\t "]', "is empty"),
    "item of two lines": Bad("- |\n  Note title:str(80)\n  Tag name:str(80)", "holds a line break"),
    "item with a NUL": Bad('["Note\\0 a:int"]', "name of the table"),
    # The table's name and plural
    "no table name": Bad("- title:str(80)", "starts with the name of the table"),
    "table in lower case": head("note", "starts with the name of the table"),
    "table in snake case": head("Order_line", "starts with the name of the table"),
    "table of one letter": head("I", "2 to 30 ASCII letters"),
    "table with a digit first": head("2Note", "starts with the name of the table"),
    "table of 31 letters": head("N" + "o" * 30, "2 to 30 ASCII letters"),
    "table of 10,000 letters": head("N" * 10_000, "2 to 30 ASCII letters"),
    "table with an accent": head("Café", "ASCII letters"),
    "table in full-width letters": head("\N{FULLWIDTH LATIN CAPITAL LETTER N}ote", "ASCII letters"),
    "table in Arabic": head("ملاحظة", "ASCII letters"),
    "table as emoji": head("📝", "ASCII letters"),
    "table turned around": Bad('["\\u202eetoN a:int"]', "ASCII letters"),
    "table as half an emoji": Bad('["\\ud83d a:int"]', "ASCII letters"),
    "table in quotes": Bad("['\"Note\" title:str(80)']", "starts with the name of the table"),
    "table in braces": Bad("['{{Note}} title:str(80)']", "starts with the name of the table"),
    "path as table": head("../../etc", "starts with the name of the table"),
    "path as plural": head("Note/../../x", "after the / stands the plural"),
    "backslash as plural": head("Note/..\\x", "after the / stands the plural"),
    "empty plural": head("Note/", "after the / stands the plural"),
    "two plurals": head("Note/notes/x", "after the / stands the plural"),
    "plural with a dash": head("Note/my-notes", "after the / stands the plural"),
    "plural with a quote": head("Note/no'tes", "after the / stands the plural"),
    "plural that ends a statement": head("Note/notes;--", "after the / stands the plural"),
    "plural outside ASCII": head("Note/n\u00f6tes", "after the / stands the plural"),
    "plural of 31 letters": head(f"Note/{LETTERS_31}", "at most 30 ASCII letters"),
    "dunder as table": head("__class__", "starts with the name of the table"),
    "no fields": Bad("- Note", "at least one field"),
    "only a flag": Bad("- Note +shared", "at least one field"),
    "101 fields": Bad("- Note " + " ".join(f"a{n}:int" for n in range(101)), "101 fields are more than 100"),
    # Flags
    "unknown flag": head("Note +public", "flags are +owned, +shared and +partitioned(field)"),
    "flag in capitals": head("Note +Shared", "flags are +owned, +shared and +partitioned(field)"),
    "owned and shared": head("Note +owned +shared", "one flag is enough"),
    "flag twice": head("Note +shared +shared", "one flag is enough"),
    "shared refers to owned": Bad("- Tag +owned a:int\n- Note +shared tag:Tag", "shared table cannot refer", 2, "tag"),
    "shared has many owned": Bad(
        "- Tag +owned a:int\n- Note +shared tags:Tag[]", "shared table cannot refer", 2, "tags"
    ),
    "shared refers to one without a flag": Bad(
        "- Tag a:int\n- Note +shared tag:Tag:null", "whose rows belong to users", 2, "tag"
    ),
    "shared has many without a flag": Bad(
        "- Tag a:int\n- Note +shared tags:Tag[]", "whose rows belong to users", 2, "tags"
    ),
    # Partitioned tables
    "partitioned by nothing": Bad("- Event +partitioned at:datetime", "`+partitioned` needs the name of a datetime"),
    "partitioned()": Bad("- Event +partitioned() at:datetime", "`+partitioned()` needs the name of a datetime"),
    "partitioned with an end": Bad("- Event +partitioned(at)s at:datetime", "`+partitioned(at)s` needs the name"),
    "partitioned with a space": Bad("- Event +partitioned( at ) at:datetime", "`+partitioned(` needs the name"),
    "partitioned twice": Bad("- Event +partitioned(at) +partitioned(at) at:datetime", "one +partitioned is enough"),
    "partitioned by another's field": Bad(
        "- Event +partitioned(at) day:date\n- Note at:datetime", "`+partitioned(at)` names no field"
    ),
    "partitioned by two fields": Bad("- Event +partitioned(a,b) a:datetime b:datetime", "names no field of this table"),
    "partitioned by a date": Bad("- Event +partitioned(day) day:date", "this is of type date", field="day"),
    "partitioned by a word": Bad("- Event +partitioned(kind) kind:enum(a,b)", "this is of type enum", field="kind"),
    "partitioned by a reference": Bad(
        "- Event +partitioned(tag) tag:Tag\n- Tag a:int", "needs a datetime, this is a reference", field="tag"
    ),
    "partitioned by a null": Bad(
        "- Event +partitioned(at) at:datetime:null", "without a time belongs to no month", field="at"
    ),
    "partitioned by a unique": Bad(
        "- Event +partitioned(at) at:datetime:unique", "two rows may have the same time", field="at"
    ),
    "partitioned by its own id": Bad(
        "- Event +partitioned(event_id) event_id:datetime", "that the key of a row uses itself", field="event_id"
    ),
    "partitioned by a count": Bad(
        "- Event +partitioned(count) count:datetime", "that the key of a row uses itself", field="count"
    ),
    "partitioned and unique": Bad(
        "- Event +partitioned(at) at:datetime code:str(8):unique", "would hold only within a month", field="code"
    ),
    "partitioned and one-to-one": Bad(
        "- Event +partitioned(at) at:datetime tag:Tag:unique\n- Tag a:int", "only within a month", field="tag"
    ),
    "partitioned with many": Bad(
        "- Event +partitioned(at) at:datetime tags:Tag[]\n- Tag a:int", "takes no many-to-many", field="tags"
    ),
    "reference to partitioned": Bad(
        "- Event +partitioned(at) at:datetime\n- Note event:Event", "`Event` is partitioned", 2, "event"
    ),
    "cascade from partitioned": Bad(
        "- Event +partitioned(at) at:datetime\n- Note event:Event:cascade", "`Event` is partitioned", 2, "event"
    ),
    "many partitioned": Bad(
        "- Event +partitioned(at) at:datetime\n- Note events:Event[]", "`Event` is partitioned", 2, "events"
    ),
    "partitioned refers to itself": Bad(
        "- Event +partitioned(at) at:datetime event:Event:null", "`Event` is partitioned", field="event"
    ),
    "default partition": Bad(
        "- Event +partitioned(at) at:datetime\n- Note/events_default a:int", "`events_default` is taken", 2
    ),
    "partition of a month": Bad(
        "- Note/events_2026_12 a:int\n- Event +partitioned(at) at:datetime", "a name of a partition of `events`"
    ),
    "key of partitioned": Bad("- Event +partitioned(at) at:datetime\n- EventKey a:int", "`EventKey` is taken", 2),
    # Tables whose names are taken
    "module is a keyword": head("Import", "`import.py`, but that is a Python keyword"),
    "module of ours": head("Health", "a module that every project has"),
    "module is a Windows device": head("Con", "a name that Windows keeps for a device"),
    "class of ours": head("Slice", "a name that every project uses itself"),
    "module of signing in": head("Auth", "its module would be `auth.py`"),
    "path of signing in": head("Note/auth", "a URL path of every project"),
    "class of who asks": head("Identity", "`Identity` is taken"),
    "class of owned rows": head("Owned", "`Owned` is taken"),
    "class of shared rows": head("Shared", "`Shared` is taken"),
    "class by a suffix is ours": head("List", "`ListQuery` is taken"),
    "class of Python": head("Exception", "a built-in name of Python"),
    "class None": head("None", "a built-in name of Python"),
    "class in other capitals": head("Uuid", "a module that every project has"),
    "same table twice": Bad("- Note a:int\n- Note a:int", "a class of line 1", 2),
    "same snake name": Bad("- HTTPRoute a:int\n- HttpRoute a:int", "a class of line 1", 2),
    "same but for case": Bad("- BlogPost a:int\n- Blogpost a:int", "a class of line 1", 2),
    "class of another's schema": Bad(
        "- Note a:int\n- NoteCreate a:int", "`NoteCreate` is taken (a class of line 1)", 2
    ),
    "schema of another's class": Bad("- NoteRead a:int\n- Note a:int", "`NoteRead` is taken (a class of line 1)", 2),
    "enum class is a table": Bad(
        "- NoteStatus a:int\n- Note status:enum(x,y)", "`NoteStatus` is taken (a class of line 1)", 2, "status"
    ),
    "enum class is a schema": field("update:enum(x,y)", "`NoteUpdate` is taken (a class of line 1)"),
    "two enum classes": field("x1:enum(a,b) x_1:enum(a,b)", "`NoteX1` is taken (a class of line 1)"),
    "place is reserved in SQL": head("Note/user", "a reserved word in SQL"),
    "place is a keyword": head("Note/class", "a Python keyword"),
    "place is a URL of ours": head("Doc", "a URL path of every project"),
    "place for PostgreSQL": head("Note/pg_class", "a name for PostgreSQL itself"),
    "same place": Bad("- Note a:int\n- Memo/notes a:int", "`notes` is taken (a table or index of line 1)", 2),
    "place is a link table": Bad(
        "- Tag a:int\n- NoteTag a:int\n- Note tags:Tag[]",
        "`note_tags` is taken (a table or index of line 2)",
        3,
        "tags",
    ),
    "link table is reserved in SQL": Bad("- User a:int\n- Current user:User[]", "a reserved word in SQL", 2, "user"),
    "place is a primary key": Bad("- Note a:int\n- Other/pk_notes a:int", "a table or index of line 1", 2),
    "two indexes of one name": Bad(
        "- Note tags_name:int:index\n- Tag/notes_tags name:str(8):index", "`ix_notes_tags_name`", 2, "name"
    ),
    "index as another one's with an owner": field(
        "a:int:index owner_id_a:int:index", "`ix_notes_owner_id_a` is taken (a table or index of line 1)"
    ),
    "index as another table's with an owner": Bad(
        "- Note owner_id_a:int:unique\n- Pad/notes_owner_id +shared a:int:unique",
        "is taken (a table or index of line 1)",
        2,
        "a",
    ),
    "key as another one's with an owner": Bad(
        "- Note a:Tag owner_id_a:Tag:null\n- Tag +shared a:int", "`ix_notes_owner_id_a_id` is taken", field="owner_id_a"
    ),
    "link table is a function": Bad(
        "- Owner policies:Owner[]", "`owner_policies`, but that is a name", field="policies"
    ),
    "link table is a function of its table": Bad(
        "- Get get:Get[]", "`get_get`, but that is a function of this table", field="get"
    ),
    # Fields whose names are wrong or taken
    "field without a type": field("title", "has no type"),
    "field with an empty type": Bad("['Note title:']", "has no type", field="title"),
    "only colons": Bad("['Note :::']", "lower_snake_case", field=":::"),
    "field in camel case": field("unitPrice:int", "lower_snake_case"),
    "field with a dash": field("unit-price:int", "lower_snake_case"),
    "field with a dot": field("a.b:int", "lower_snake_case"),
    "field with an underscore first": field("_price:int", "lower_snake_case"),
    "field with an underscore last": field("price_:int", "lower_snake_case"),
    "field with two underscores": field("unit__price:int", "lower_snake_case"),
    "field of 31 letters": field(f"{LETTERS_31}:int", "at most 30"),
    "field with an accent": field("prénom:str(80)", "ASCII letters"),
    "field in full-width letters": field("\N{FULLWIDTH LATIN SMALL LETTER P}rice:int", "ASCII letters"),
    "dunder as field": field("__class__:int", "lower_snake_case"),
    "Jinja as field": Bad("['Note {{7*7}}:int']", "lower_snake_case", field="{{7*7}}"),
    "Jinja block as field": Bad("['Note {%raw%}:int']", "lower_snake_case", field="{%raw%}"),
    "same field twice": field("title:int title:text", "`title` is taken (a name in Note)"),
    "keyword as field": field("class:int", "a Python keyword"),
    "id as field": field("id:uuid", "a column that every table has"),
    "version as field": field("version:int", "a column that every table has"),
    "owner": field("owner_id:uuid", "kept for the owner of a row"),
    "metadata as field": field("metadata:json", "an attribute of every SQLAlchemy model"),
    "json as field": field("json:json", "an attribute of every Pydantic model"),
    "model_ as field": field("model_name:text", "kept by Pydantic"),
    "type as field": field("type:int", "a name that the model file uses itself"),
    "l as field": field("l:int", "too easy to take for a 1"),
    "SQL word as field": field("order:int", "a reserved word in SQL"),
    "system column as field": field("xmin:int", "a system column of PostgreSQL"),
    "keyword as reference": field("class:Note:null", "a Python keyword"),
    "reference to the model": field("model:Note:null", "kept by Pydantic"),
    "x_id beside x": field("tag:Note:null tag_id:int", "`tag_id` is taken (a name in Note)"),
    "ids beside many": field("note_ids:int notes:Note[]", "`note_ids` is taken (a name in Note)"),
    "other side of a cascade": Bad(
        "- Order order_lines:int\n- OrderLine order:Order:cascade",
        "`order_lines` is taken (a name in Order)",
        2,
        "order",
    ),
    "other side is taken": Bad(
        "- Order a:int\n- Entry/metadata order:Order:cascade", "an attribute of every SQLAlchemy model", 2, "order"
    ),
    "filter beside its bound": field(
        "price:int:index price_min:int:index", "`price_min` is taken (a filter of this list)"
    ),
    "filter of every list": field("cursor:str(8):index", "a query parameter of every list"),
    "reference too long for its column": field(f"{'r' * 28}:Note:null", "more than 30 letters"),
    "enumeration's class too long": Bad(
        f"- {'A' * 25}/notes {'b' * 26}:enum(open)", "more than 50 letters", field="b" * 26
    ),
    "other side of a cascade too long": Bad(
        f"- Tag a:int\n- Note/{'n' * 30} {'a' * 18}:Tag:cascade b:Tag:cascade", "more than 50 letters", 2, "a" * 18
    ),
    "field named after an association table": Bad(
        "- Note note_tags:text tags:Tag[]\n- Tag a:int", "`note_tags` is taken (a name in Note)", field="tags"
    ),
    "place and column too long": Bad(
        f"- {'Ab' * 15} {'a' * 30}:int", "together 75 letters, at most 50", field="a" * 30
    ),
    "link table too long": Bad(
        f"- {'Ab' * 15} {'a' * 30}:Tag[]\n- Tag a:int", "names of more than 63 letters", field="a" * 30
    ),
    # Types
    "unknown type": field("title:string", "unknown type `string`"),
    "type in capitals": field("title:STR", "neither a type (they are in lower case) nor a table"),
    "modifier as type": field("title:null", "unknown type `null`"),
    "unknown table": field("tag:Tag", "`Tag` is neither a type"),
    "unknown table for many": field("tags:Tag[]", "`Tag` is neither a type"),
    "str without a length": field("title:str", "greatest length"),
    "str()": field("title:str()", "greatest length"),
    "str(0)": field("title:str(0)", "greatest length"),
    "str(-1)": field("title:str(-1)", "greatest length"),
    "str(1.5)": field("title:str(1.5)", "greatest length"),
    "str(080)": field("title:str(080)", "greatest length"),
    "str(10001)": field("title:str(10001)", "greatest length"),
    "str(٣)": field("title:str(٣)", "greatest length"),
    "str of two lengths": field("title:str(3)(4)", "greatest length"),
    "text with a length": field("body:text(80)", "`text` takes nothing in parentheses"),
    "decimal without digits": field("price:decimal", "`decimal` needs all digits"),
    "decimal with one number": field("price:decimal(12)", "`decimal` needs all digits"),
    "decimal(2,3)": field("price:decimal(2,3)", "`decimal` needs all digits"),
    "decimal(0,0)": field("price:decimal(0,0)", "`decimal` needs all digits"),
    "decimal(1001,2)": field("price:decimal(1001,2)", "`decimal` needs all digits"),
    "enum()": field("status:enum()", "lower-case words"),
    "enum with a gap": field("status:enum(a,,b)", "lower-case words"),
    "enum in capitals": field("status:enum(Draft,Paid)", "lower-case words"),
    "enum with a space": Bad("- Note status:enum(a, b)", "a space stands in", field="status"),
    "enum with a quote": Bad("['Note status:enum(\"a\",b)']", "lower-case words", field="status"),
    "enum with a long value": field(f"status:enum(a,{LETTERS_31})", "at most 30"),
    "enum with a value twice": field("status:enum(a,b,a)", "names a value twice"),
    "enum of 51": field(f"status:enum({','.join(f'v{n}' for n in range(51))})", "at most 50 values"),
    "enum with an i": field("status:enum(i,x)", "too easy to take for digits"),
    "enum with an o": field("status:enum(o,x)", "too easy to take for digits"),
    "int[]": field("numbers:int[]", "`int` takes no []"),
    "many with a space": Bad("- Note tags:Note[ ]", "cannot be read as a type", field="tags"),
    "many of many": field("tags:Note[][]", "cannot be read as a type"),
    "type in quotes": Bad("['Note a:\"int\"']", "cannot be read as a type", field="a"),
    "type as a path": field("a:../int", "cannot be read as a type"),
    "reference with a length": field("tag:Note(3)", "reference takes nothing in parentheses"),
    "parenthesis left open": field("title:str(80", "parentheses do not match"),
    "parenthesis too much": field("title:str(80))", "greatest length"),
    "text after a parenthesis": field("title:str(80)x", "parentheses do not match"),
    "space before a parenthesis": Bad("- Note title:text (80)", "parentheses do not match", field="(80)"),
    "field of 10,000 letters": field(f"title:{'x' * 10_000}", "is too long"),
    "10,000 parentheses": field(f"title:str{'(' * 10_000}", "is too long"),
    "1,900 parentheses and colons": Bad(f"['Note title:str{'(:' * 950}']", "parentheses do not match", field="title"),
    # Modifiers
    "unknown modifier": field("title:text:required", "unknown modifier `required`"),
    "empty modifier": Bad("['Note title:text:']", "cannot be read as a modifier", field="title"),
    "modifier in capitals": field("title:text:NULL", "cannot be read as a modifier"),
    "modifier twice": field("title:text:null:null", "`null` is given twice"),
    "null(x)": field("title:text:null(x)", "`null` takes nothing in parentheses"),
    "min without a value": field("a:int:min", "`min` needs its value"),
    "default()": field("a:str(8):default()", "`default` needs its value"),
    "default with a space": Bad("- Note a:str(8):default(x y)", "a space stands in", field="a"),
    "cascade on a column": field("a:int:cascade", "`cascade` is for references"),
    "two actions": field("tag:Note:null:cascade:restrict", "only one of cascade, restrict, setnull"),
    "setnull without null": field("tag:Note:setnull", "`setnull` needs `null`"),
    "index on a reference": field("tag:Note:null:index", "a foreign key has its index already"),
    "default on a reference": field("tag:Note:null:default(x)", "reference takes no `default`"),
    "modifier on many": field("tags:Note[]:null", "a many-to-many takes no modifiers"),
    "unique and index": field("a:int:unique:index", "`unique` has its index already"),
    "unique and default": field("a:int:unique:default(1)", "two rows with the default would collide"),
    "unique bool": field("a:bool:unique", "only two rows could exist"),
    "unique enum": field("a:enum(x,y):unique", "only one row a value"),
    "unique json": field("a:json:unique", "too long for an index"),
    "unique text": field("a:text:unique", "too long for an index"),
    "unique str(601)": field("a:str(601):unique", "too long for an index"),
    "unique str(1)": field("a:str(1):unique", "fewer than 100 rows"),
    "unique with little room": field("a:int:min(1):max(99):unique", "fewer than 100 rows"),
    "unique at the end of the range": field("a:bigint:min(9223372036854775800):unique", "fewer than 100 rows"),
    "unique decimal(1,0)": field("a:decimal(1,0):unique", "fewer than 100 rows"),
    "index on text": field("a:text:index", "too long for an index"),
    "index on json": field("a:json:index", "too long for an index"),
    "index on bool": field("a:bool:index", "two values are too few"),
    "min on str": field("a:str(8):min(1)", "the length of a str stands in its own parentheses"),
    "max on a date": field("a:date:max(3)", "date takes no `max`"),
    # Defaults and bounds
    "default int word": field("a:int:default(one)", "`default` needs a plain number"),
    "default int fraction": field("a:int:default(1.5)", "has a fraction"),
    "default int beyond 32 bit": field("a:int:default(2147483648)", "beyond what int holds"),
    "default bigint beyond 64 bit": field("a:bigint:default(9223372036854775808)", "beyond what bigint holds"),
    "default with a leading zero": field("a:int:default(007)", "`default` needs a plain number"),
    "default minus zero": field("a:int:default(-0)", "`default` needs a plain number"),
    "default in Arabic digits": field("a:int:default(٣)", "`default` needs a plain number"),
    "default infinity": field("a:float:default(inf)", "`default` needs a plain number"),
    "default of 1,000 digits": field(f"a:bigint:default({'9' * 1000})", "`default` needs a plain number"),
    "default decimal too precise": field("a:decimal(4,2):default(1.005)", "more digits than decimal(4,2)"),
    "default decimal too large": field("a:decimal(4,2):default(100)", "more digits than decimal(4,2)"),
    "default below min": field("a:int:min(1):default(0)", "lies outside `min` and `max`"),
    "default above max": field("a:decimal(4,2):default(9.51):max(9.5)", "lies outside `min` and `max`"),
    "default bool": field("a:bool:default(yes)", "neither true nor false"),
    "default enum": field("a:enum(x,y):default(z)", "none of its values"),
    "default date": field("a:date:default(today)", "not a date of the calendar"),
    "default 30 February": field("a:date:default(2024-02-30)", "not a date of the calendar"),
    "default 29 February 2023": field("a:date:default(2023-02-29)", "not a date of the calendar"),
    "default year 0": field("a:date:default(0000-01-01)", "not a date of the calendar"),
    "default datetime": field("a:datetime:default(2024-01-31)", "starts as `now` only"),
    "default str too long": field("a:str(3):default(kilo)", "longer than str(3)"),
    "default text of 61 letters": field(f"a:text:default({'x' * 61})", "at most 60 ASCII characters"),
    "default with a quote": Bad("['Note a:text:default(\"x\")']", "without spaces, quotes", field="a"),
    "default with a backslash": Bad("['Note a:text:default(\\n)']", "without spaces, quotes", field="a"),
    "default with a parenthesis": field("a:text:default(f(x))", "without spaces, quotes"),
    "default with an accent": field("a:text:default(é)", "ASCII characters"),
    "default uuid": field("a:uuid:default(x)", "uuid takes no `default`"),
    "default json": field("a:json:default(x)", "json takes no `default`"),
    "min above max": field("a:int:min(2):max(1)", "`min` is above `max`"),
    "min above max by a hair": field(
        "a:decimal(38,20):min(1.00000000000000000002):max(1.00000000000000000001)", "`min` is above `max`"
    ),
    "min with a fraction": field("a:int:min(0.5)", "has a fraction"),
    "max beyond the decimal": field("a:decimal(3,3):max(1)", "more digits than decimal(3,3)"),
    "min as code": field("a:int:min(__import__)", "`min` needs a plain number"),
    # Computed
    "computed()": field("a:int:computed()", "`computed` needs its value"),
    "computed with a modifier": field("a:int b:int:computed(a):null", "takes no other modifier"),
    "computed on text": field("a:text:computed(b)", "text takes no `computed`"),
    "computed of an unknown field": field("a:int b:int:computed(a*c)", "`c`, which is no number field"),
    "computed of itself": field("a:int b:int:computed(b+a)", "`b`, which is no number field"),
    "computed of a computed": field("a:int c:int:computed(a) b:int:computed(a+c)", "`c`, which is no number field"),
    "computed of a text": field("a:text b:int:computed(a)", "`a`, which is no number field"),
    "computed of no field": field("b:int:computed(1+1)", "uses no field"),
    "computed with a call": field("a:int b:int:computed(abs(a))", "`abs`, which is no number field"),
    "computed with two names": field("a:int b:int:computed(a(a))", "not a complete expression"),
    "computed with a power": field("a:int b:int:computed(a**2)", "not a complete expression"),
    "computed with an SQL comment": field("a:int b:int:computed(a--1)", "not a complete expression"),
    "computed with a block comment": field("a:int b:int:computed(a/*2)", "not a complete expression"),
    "computed with an end missing": field("a:int b:int:computed(a+)", "not a complete expression"),
    "computed with empty parentheses": field("a:int b:int:computed(a+())", "not a complete expression"),
    "computed with 2a": field("a:int b:int:computed(2a)", "not a complete expression"),
    "computed with a semicolon": field("a:int b:int:computed(a;drop)", "takes number fields, numbers and"),
    "computed with a quote": Bad(
        "['Note a:int b:int:computed(a+''1'')']", "takes number fields, numbers and", field="b"
    ),
    "computed by zero": field("a:int b:float:computed(a/0.0)", "only by a number other than 0"),
    "computed by a field": field("a:int c:int b:float:computed(a/c)", "only by a number other than 0"),
    "computed by parentheses": field("a:int b:float:computed(a/(2))", "only by a number other than 0"),
    "computed unbalanced": field("a:int b:int:computed((a+1)", "not a complete expression"),
    "computed unbalanced the other way": field("a:int b:int:computed(a+1))", "not a complete expression"),
    "computed of 101 characters": field(f"a:int b:int:computed({'a+' * 50}a)", "at most 100 characters"),
    # Cycles
    "reference to itself": field("parent:Note", "the first row would need another row"),
    "two tables in a circle": Bad("- Aa b:Bb\n- Bb a:Aa", "in `Aa → Bb → Aa` each row", 1, "b"),
    "a circle of cascades": Bad("- Aa b:Bb:cascade\n- Bb a:Aa:cascade", "in `Aa → Bb → Aa` each row", 1, "b"),
    "three tables in a circle behind a fourth": Bad(
        "- Start first:Aa\n- Aa b:Bb\n- Bb c:Cc\n- Cc a:Aa end:End\n- End x:int",
        "in `Aa → Bb → Cc → Aa` each row",
        2,
        "b",
    ),
    "two circles that meet": Bad("- Aa b:Bb\n- Bb c:Cc a:Aa\n- Cc b:Bb", "Bb → Cc → Bb", 2, "c"),
}
