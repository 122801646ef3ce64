"""Database URLs: what asyncpg is given for each, or the sentence that refuses it.

CA, CERT, KEY and LOCKED stand for files that exist; `hunter2` stands for what no message may show.
"""

SUPABASE, POOLER = "db.abc.supabase.co", "aws-0-eu-west-1.pooler.supabase.com"
SOCKETS = "/var/run/postgresql:5432 /tmp:5432"
ONE = {"hosts": "db:5432", "database": "shop"}

READ: list[tuple[str, dict[str, str]]] = [
    # --- Parts ---
    ("postgresql://db/shop", ONE),
    ("postgres://db/shop", ONE),
    ("postgresql+asyncpg://db/shop", ONE),
    (" postgresql://db/shop\n", ONE),
    ("postgresql://db", {"hosts": "db:5432", "database": ""}),
    ("postgresql://me@db/shop", ONE | {"user": "me"}),
    ("postgresql://me:@db/shop", ONE | {"user": "me", "password": ""}),
    ("postgresql://me:a%40b%3A%2F%3F%23%25@db/shop", ONE | {"password": "a@b:/?#%"}),
    ("postgresql://me:a+b&c=d;e,f'g\"h\\i@db/shop", ONE | {"password": "a+b&c=d;e,f'g\"h\\i"}),
    ("postgresql://me:%C3%A4%20%E2%82%AC@db/shop", ONE | {"password": "ä €"}),
    ("postgresql://me:a:b@db/shop", ONE | {"password": "a:b"}),
    ("postgresql://me:ä€@db/shop", ONE | {"password": "ä€"}),
    ("postgresql://me:50%25off@db/shop", ONE | {"password": "50%off"}),
    ("postgresql://me:a%252Fb@db/shop", ONE | {"password": "a%2Fb"}),
    ("postgresql://me%40corp:x@db/shop", ONE | {"user": "me@corp", "password": "x"}),
    ("postgresql://db/my%20shop%2F%3F", ONE | {"database": "my shop/?"}),
    ("postgresql:///?host=db&port=5433&user=me&password=a%26b&dbname=shop", {"hosts": "db:5433", "password": "a&b"}),
    ("postgresql://db/?user=me@corp&dbname=shop", ONE | {"user": "me@corp"}),
    ("postgresql://db/shop?password=a%2Bb+c", ONE | {"password": "a+b+c"}),
    # --- Hosts ---
    ("postgresql://db:5433/shop", {"hosts": "db:5433"}),
    ("postgresql://db:/shop", {"hosts": "db:5432"}),
    ("postgresql://DB.Example.COM/shop", {"hosts": "db.example.com:5432"}),
    ("postgresql://db.example.com./shop", {"hosts": "db.example.com.:5432"}),
    ("postgresql://my_db-1/shop", {"hosts": "my_db-1:5432"}),
    ("postgresql://b%C3%BCcher.example/shop", {"hosts": "xn--bcher-kva.example:5432"}),
    ("postgresql://192.0.2.1/shop", {"hosts": "192.0.2.1:5432"}),
    ("postgresql://[2001:DB8::1]/shop", {"hosts": "2001:db8::1:5432"}),
    ("postgresql://[::1]:5433/shop", {"hosts": "::1:5433"}),
    ("postgresql://[fe80::1%25eth0]:5433/shop", {"hosts": "fe80::1%eth0:5433"}),
    ("postgresql:///shop?host=::1&port=5433", {"hosts": "::1:5433"}),
    ("postgresql:///shop?host=[fe80::1%2525]", {"hosts": "fe80::1%25:5432"}),
    ("postgresql:///shop?host=[::1]:5433", {"hosts": "::1:5433"}),
    # --- Sockets ---
    ("postgresql://", {"hosts": SOCKETS, "user": "", "password": "", "database": ""}),
    ("postgresql:///shop", {"hosts": SOCKETS, "database": "shop"}),
    ("postgresql://me:x@/shop", {"hosts": SOCKETS, "user": "me", "password": "x"}),
    ("postgresql://:5433/shop", {"hosts": "/var/run/postgresql:5433 /tmp:5433"}),
    ("postgresql:///shop?port=5433", {"hosts": "/var/run/postgresql:5433 /tmp:5433"}),
    ("postgresql://%2Fdb/shop", {"hosts": "/db:5432", "database": "shop"}),
    ("postgresql://%2Fdb%2Fa%20b:5433/shop", {"hosts": "/db/a b:5433"}),
    ("postgresql://%2Fdb%2C/shop", {"hosts": "/db,:5432"}),
    ("postgresql:///shop?host=/db&port=5433", {"hosts": "/db:5433"}),
    ("postgresql:///shop?host=%2Fdb%2Fa%2525", {"hosts": "/db/a%25:5432"}),
    ("postgresql://:5433/shop?host=/db", {"hosts": "/db:5433"}),
    # --- Several hosts ---
    ("postgresql://a,b/shop", {"hosts": "a:5432 b:5432"}),
    ("postgresql://a:1,b,[::1]:3,%2Fdb:4/shop", {"hosts": "a:1 b:5432 ::1:3 /db:4"}),
    ("postgresql://a,b/shop?port=5433", {"hosts": "a:5433 b:5433"}),
    ("postgresql:///shop?host=a,b,::1,/db&port=1,,3,4", {"hosts": "a:1 b:5432 ::1:3 /db:4"}),
    ("postgresql:///shop?host=a%2Cb", {"hosts": "a:5432 b:5432"}),
    ("postgresql+asyncpg:///shop?host=a:1&host=b:2", {"hosts": "a:1 b:2"}),
    (
        "postgresql://a,b/shop?target_session_attrs=read-write",
        {"hosts": "a:5432 b:5432", "wanted": "read-write read-write"},
    ),
    (
        "postgresql://a,b/shop?target_session_attrs=prefer-standby",
        {"hosts": "a:5432 b:5432 a:5432 b:5432", "wanted": "standby standby any any"},
    ),
    # --- Parameters ---
    ("postgresql://db/shop?application_name=my%20app", ONE | {"name": "my app:write"}),
    ("postgresql://db/shop?application_name=a@b", ONE | {"name": "a@b:write"}),
    ("postgresql://db/shop?connect_timeout=7", ONE | {"timeout": "7.0"}),
    ("postgresql://db/shop", ONE | {"timeout": "5.0", "name": "app:write", "options": "", "wanted": "any"}),
    ("postgresql://db/shop?options=-c%20geqo%3Doff%20-c%20a.b=c+d", ONE | {"options": "-c geqo=off -c a.b=c+d"}),
    ("postgresql://db/shop?&application_name=x&&", ONE | {"name": "x:write"}),
    # --- TLS ---
    ("postgresql://db/shop", ONE | {"ssl": "prefer"}),
    *[
        (f"postgresql://db/shop?sslmode={mode}", ONE | {"ssl": mode})
        for mode in ("disable", "allow", "prefer", "require", "verify-full")
    ],
    ("postgresql://db/shop?ssl=true", ONE | {"ssl": "require"}),
    ("postgresql+asyncpg://db/shop?ssl=verify-full", ONE | {"ssl": "verify-full"}),
    ("postgresql://db/shop?sslrootcert=CA", ONE | {"ssl": "verify-full"}),
    ("postgresql://db/shop?sslrootcert=CA&sslmode=require", ONE | {"ssl": "verify-ca"}),
    ("postgresql://db/shop?sslrootcert=CA&sslmode=verify-ca", ONE | {"ssl": "verify-ca"}),
    ("postgresql://db/shop?sslrootcert=system", ONE | {"ssl": "verify-full"}),
    ("postgresql://localhost/shop?sslrootcert=CA", {"ssl": "verify-full"}),
    # --- Profiles ---
    ("postgresql://db:6432/shop", {"profile": "transaction"}),
    ("postgresql://ep-x-pooler.eu.aws.neon.tech/shop", {"profile": "transaction"}),
    (f"postgresql://{SUPABASE}/postgres?sslrootcert=CA", {"profile": "direct", "ssl": "verify-full"}),
    (f"postgresql://{SUPABASE}:6543/postgres?sslrootcert=CA", {"profile": "transaction", "ssl": "verify-full"}),
    (f"postgresql://{POOLER}/postgres?sslrootcert=CA&sslmode=require", {"profile": "session", "ssl": "verify-full"}),
    (f"postgresql://{POOLER.upper()}./postgres?sslrootcert=CA&sslmode=prefer", {"profile": "session"}),
    (f"postgresql://{POOLER}:6543/postgres?sslrootcert=CA&sslmode=allow", {"profile": "transaction"}),
    (
        "postgresql://\uff44\uff42.abc\u3002\uff53upabase.co/postgres?sslrootcert=CA",
        {"hosts": f"{SUPABASE}:5432", "ssl": "verify-full"},
    ),
    ("postgresql://db.abc.supabase.co.example.com/shop", {"ssl": "prefer", "profile": "direct"}),
    ("postgresql://pooler.evil-supabase.com/shop", {"ssl": "prefer", "profile": "direct"}),
]

FORM = "a database URL reads postgresql://user:password@host:5432/name, with spaces and / ? # @ : % percent-encoded"
HOST = "a host in the database URL reads name, name:5432, [::1]:5432 or, for the folder of a socket, %2Ffolder"
PORT = "a port in the database URL is a number from 1 to 65535"
PORTS = "the database URL has one port for all of its hosts, or one for each of them"

REFUSED = [
    # --- Form ---
    ("", FORM),
    ("db", FORM),
    ("host=db dbname=shop password=hunter2", FORM),
    ("postgresql:db", FORM),
    ("POSTGRESQL://db/shop", FORM),
    ("jdbc:postgresql://db/shop", FORM),
    ("postgresql+psycopg2://me:hunter2@db", "starts with postgresql://, not with postgresql+psycopg2://"),
    ("postgresql://db/shop#hunter2", FORM),
    *[(f"postgresql://me:hunter2{mark}hunter2@db/shop", FORM) for mark in "/?#@ \n\0%\x7f\ufffd\udcff\u200b"],
    *[(f"postgresql://me:hunter2{code}@db/shop", FORM) for code in ("%0", "%zz", "%00", "%FF", "%C3", "%")],
    ("postgresql://me:hunter2?hunter2=hunter2@db/shop", FORM),
    ("postgresql://me:1234/hunter2?hunter2=hunter2@db/shop", FORM),
    ("postgresql://db/shop?password=x&hunter2=y", FORM),
    # --- Hosts and ports ---
    ("postgresql://a,,b/shop", HOST),
    ("postgresql://a,/shop", HOST),
    ("postgresql://::1/shop", HOST),
    ("postgresql://[::1/shop", HOST),
    ("postgresql://[]/shop", HOST),
    ("postgresql://a:1:2/shop", HOST),
    ("postgresql://a..b/shop", HOST),
    (f"postgresql://{'a' * 64}/shop", HOST),
    ("postgresql://%40abstract/shop", HOST),
    ("postgresql://a%0Ab/shop", HOST),
    *[(f"postgresql://db:{port}/shop", PORT) for port in ("0", "65536", "x", "-1", "5432x", "000005432", "٥٤٣٢")],
    ("postgresql:///shop?host=a,b&port=1,2,3", PORTS),
    ("postgresql://a:1,b/shop?port=2", PORTS),
    # --- Twice, empty, unknown ---
    ("postgresql://a/shop?host=b", "the database URL has its host twice; take one out"),
    ("postgresql://:1/shop?port=2", "the database URL has its port twice; take one out"),
    ("postgresql://me:hunter2@db/shop?user=you&password=hunter2", "the database URL has its password, user twice; "),
    ("postgresql://db/shop?dbname=shop", "the database URL has its dbname twice; take one out"),
    ("postgresql://db/?sslmode=disable&sslmode=require", "the database URL has its sslmode twice; take one out"),
    ("postgresql://db/?ssl=true&sslmode=disable", "the database URL has its sslmode twice; take one out"),
    ("postgresql://db/?sslmode=", "the database URL has nothing behind sslmode; take it out"),
    ("postgresql://db/?sslrootcert&application_name", "has nothing behind application_name, sslrootcert; take it out"),
    *[
        (f"postgresql://db/?{name}=x", f"the database URL has {name}, which is not supported; take it out")
        for name in [
            "channel_binding",
            "gssencmode",
            "hostaddr",
            "passfile",
            "service",
            "sslpassword",
            "SSLMODE",
            "jit",
        ]
    ],
    # --- Values ---
    ("postgresql://db/?sslmode=VERIFY-FULL", "sslmode in the database URL is one of disable, allow, prefer, "),
    ("postgresql://db/?target_session_attrs=master", "target_session_attrs in the database URL is one of any, "),
    *[
        (f"postgresql://db/?connect_timeout={value}", "is a whole number of seconds, from 1 on")
        for value in ("0", "-1", "1.5", "5s", "1000000")
    ],
    (
        "postgresql://db:6432/?options=-c%20jit%3Doff",
        "a pooler does not pass options on: set them on the login",
    ),
    # --- TLS ---
    ("postgresql://db/?sslmode=verify-ca", "sslmode=verify-ca needs a CA of your own: set DATABASE_CA_FILE, or use"),
    ("postgresql://db/?sslmode=require&sslrootcert=system", "sslmode=require needs a CA of your own"),
    ("postgresql://db/?sslmode=prefer&sslrootcert=CA", "sslrootcert in the database URL needs sslmode=verify-full"),
    ("postgresql://db/?sslcert=CERT&sslkey=KEY", "sslcert, sslkey in the database URL needs sslmode=verify-full"),
    ("postgresql://db/?sslmode=require&sslkey=KEY", "sslkey in the database URL needs sslcert"),
    (
        "postgresql://db/?sslrootcert=/nowhere.pem",
        "/nowhere.pem cannot be read as a PEM file (No such file or directory)",
    ),
    ("postgresql://db/?sslrootcert=/", "/ cannot be read as a PEM file (Is a directory)"),
    ("postgresql://db/?sslrootcert=KEY", "cannot be read as a PEM file ([X509: NO_CERTIFICATE_OR_CRL_FOUND]"),
    ("postgresql://db/?sslmode=require&sslcert=CERT&sslkey=LOCKED", "or its sslkey without a password, cannot be read"),
    ("postgresql://db/?sslmode=require&sslcert=CERT&sslkey=CA", "or its sslkey without a password, cannot be read"),
    ("postgresql://db/?sslrootcert=CA&sslcert=/nowhere.pem", "/nowhere.pem, or its sslkey without a password, cannot"),
    (
        f"postgresql://{SUPABASE}/postgres",
        "in the dashboard, under Database Settings, SSL Configuration, and set DATAB",
    ),
    (f"postgresql://localhost,{SUPABASE}./postgres", "in the dashboard, under Database Settings, SSL Configuration"),
    (f"postgresql://{SUPABASE}/postgres?sslmode=require", "set DATABASE_CA_FILE to its path"),
    (f"postgresql://{SUPABASE}/?sslmode=disable", "Supabase is reached through the Internet: take sslmode=disable out"),
]
