-- Every object of some schemas: of which other it is a part, what it is called, how it is defined, where it is sorted.
-- Left out: objects of extensions, how rows are stored and counted; of other schemas, all but what changes our tables.
WITH schemas AS (
    SELECT *, quote_ident(nspname) AS schema FROM pg_namespace WHERE nspname = ANY(CAST(:schemas AS text[]))

), roles (id, role) AS (
    SELECT oid, quote_ident(rolname) FROM pg_roles UNION ALL VALUES (CAST(0 AS oid), 'PUBLIC')

), parts AS (  -- of extensions, or of other objects, as the sequence of an identity is
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e' OR deptype = 'i'
        AND (classid <> 'pg_class'::regclass OR objid IN (SELECT seqrelid FROM pg_sequence))

), ours AS (
    SELECT pg_class.*, schema || '.' || quote_ident(relname) AS relation
    FROM pg_class JOIN schemas ON schemas.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND (pg_class.tableoid, pg_class.oid) NOT IN (TABLE parts)

), functions AS (
    SELECT pg_proc.*, pg_proc.oid::regprocedure::text AS function
    FROM pg_proc JOIN schemas ON schemas.oid = pronamespace WHERE (pg_proc.tableoid, pg_proc.oid) NOT IN (TABLE parts)

), types AS (
    SELECT pg_type.*, pg_type.oid::regtype::text AS type FROM pg_type JOIN schemas ON schemas.oid = typnamespace
    WHERE typtype IN ('e', 'd', 'r') AND (pg_type.tableoid, pg_type.oid) NOT IN (TABLE parts)

), sequences AS (
    SELECT seqrelid, seqtypid, refobjid AS owner, refobjsubid AS part,
        format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s %s', seqstart, seqincrement, seqmin,
            seqmax, seqcache, CASE WHEN seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS options
    FROM pg_sequence LEFT JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = seqrelid AND refobjsubid > 0

), owned (relation, kind, owner, acl, part) AS (
    SELECT relation, CAST(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS "char"), relowner, relacl, '' FROM ours
    UNION ALL SELECT relation, 'c', relowner, attacl, format(' (%I)', attname)
    FROM ours JOIN pg_attribute ON attrelid = ours.oid WHERE attacl IS NOT NULL
    UNION ALL SELECT function, 'f', proowner, proacl, '' FROM functions
    UNION ALL SELECT type, 'T', typowner, typacl, '' FROM types
    UNION ALL SELECT schema, 'n', nspowner, nspacl, '' FROM schemas
    UNION ALL SELECT seqrelid::regclass::text, 's', relowner, relacl, '' FROM sequences JOIN pg_class ON oid = seqrelid
    WHERE relacl IS NOT NULL AND owner IN (SELECT oid FROM ours) AND seqrelid NOT IN (SELECT oid FROM ours)

), granted AS (  -- as far as it is not what every new object of the kind has
    SELECT relation, way, part, item.* FROM owned, LATERAL (VALUES ('grant to ', acl, acldefault(kind, owner)),
        ('revoked from ', acldefault(kind, owner), acl)) AS changes (way, has, had), LATERAL (
        SELECT grantee, privilege_type, is_grantable FROM aclexplode(has)
        EXCEPT SELECT grantee, privilege_type, is_grantable FROM aclexplode(had)
        EXCEPT SELECT grantee, privilege_type, is_grantable FROM pg_default_acl, aclexplode(defaclacl) WHERE way ~ '^g'
            AND defaclnamespace = 0 AND defaclrole = owner AND defaclobjtype::text ~* kind::text) AS item
    WHERE acl IS NOT NULL

), items (relation, name, definition, rank, position, class, object) AS (
    SELECT schema, 'schema', '', 0, 0, CAST('pg_namespace'::regclass AS oid), oid FROM schemas

    UNION ALL SELECT relation, CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'c' THEN 'type'
            WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
        concat_ws(' ', CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
            (SELECT format(CASE WHEN relispartition THEN 'PARTITION OF %s' ELSE 'INHERITS (%s)' END,
                string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno))
                FROM pg_inherits WHERE inhrelid = ours.oid HAVING count(*) > 0),
            pg_get_expr(relpartbound, oid), 'PARTITION BY ' || pg_get_partkeydef(oid),
            (SELECT format('AS %s %s', seqtypid::regtype, options) FROM sequences WHERE seqrelid = ours.oid),
            (SELECT concat_ws(' ', 'SERVER', quote_ident(srvname), 'OPTIONS ' || ftoptions::text) FROM pg_foreign_table
                JOIN pg_foreign_server AS server ON server.oid = ftserver WHERE ftrelid = ours.oid),
            'WITH (' || array_to_string(reloptions, ', ') || ')',
            CASE WHEN relkind IN ('v', 'm') THEN 'AS ' || rtrim(pg_get_viewdef(oid), ';') END),
        0, 0, 'pg_class'::regclass, oid FROM ours

    UNION ALL SELECT function, CASE prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
        CASE WHEN prokind <> 'a' THEN rtrim(pg_get_functiondef(oid), E'\n') END, 0, 0, 'pg_proc'::regclass, oid
    FROM functions

    UNION ALL SELECT type, CASE typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'range' END,
        CASE typtype WHEN 'e' THEN (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
            FROM pg_enum WHERE enumtypid = types.oid)
        WHEN 'r' THEN (SELECT 'SUBTYPE = ' || rngsubtype::regtype FROM pg_range WHERE rngtypid = types.oid)
        ELSE concat_ws(' ', format_type(typbasetype, typtypmod),
            (SELECT 'COLLATE ' || types.typcollation::regcollation FROM pg_type AS base
                WHERE base.oid = types.typbasetype AND base.typcollation <> types.typcollation),
            CASE WHEN typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || typdefault,
            (SELECT string_agg(format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), ' ' ORDER BY conname)
                FROM pg_constraint WHERE contypid = types.oid AND contype = 'c')) END,
        0, 0, 'pg_type'::regclass, oid FROM types

    UNION ALL SELECT relation, 'owned by', format('%s.%I', owner::regclass, attname), 1, 0, NULL, NULL
    FROM ours JOIN sequences ON seqrelid = ours.oid JOIN pg_attribute ON attrelid = owner AND attnum = part

    UNION ALL SELECT relation, 'column ' || quote_ident(attname), concat_ws(' ', format_type(atttypid, atttypmod),
            CASE WHEN attcollation <> typcollation THEN 'COLLATE ' || attcollation::regcollation END,
            CASE WHEN attnotnull AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = attrelid
                AND contype = 'n' AND conkey = ARRAY[attnum] AND NOT convalidated) THEN 'NOT NULL' END,
            CASE attidentity WHEN 'a' THEN 'GENERATED ALWAYS' WHEN 'd' THEN 'GENERATED BY DEFAULT' END || (SELECT
                format(' AS IDENTITY (%s)', options) FROM sequences WHERE owner = attrelid AND part = attnum),
            CASE attgenerated WHEN '' THEN 'DEFAULT ' || pg_get_expr(adbin, adrelid)
                ELSE format('GENERATED ALWAYS AS (%s) %s', pg_get_expr(adbin, adrelid),
                    CASE attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END), 2, attnum, NULL, NULL
    FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped AND NOT relispartition
        JOIN pg_type ON pg_type.oid = atttypid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind IN ('r', 'p', 'f', 'c')

    UNION ALL SELECT relation, 'constraint ' || quote_ident(conname), concat_ws(' ', pg_get_constraintdef(rule.oid),
            (SELECT '/* DISABLED */' FROM pg_trigger JOIN pg_constraint AS part ON part.oid = tgconstraint
                WHERE rule.oid IN (part.oid, part.conparentid) AND tgisinternal AND tgenabled <> 'O' LIMIT 1)),
        3, 0, rule.tableoid, rule.oid
    FROM ours JOIN pg_constraint AS rule ON conrelid = ours.oid AND conislocal AND conparentid = 0
    WHERE contype NOT IN ('n', 't') OR NOT convalidated  -- a column says NOT NULL, a trigger is one

    UNION ALL SELECT relation, 'index ' || quote_ident(named.relname), concat_ws(' ',
            replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '),
            CASE WHEN NOT indisvalid THEN '/* INVALID */' END), 4, 0, named.tableoid, indexrelid
    FROM ours JOIN pg_index ON indrelid = ours.oid
        JOIN pg_class AS named ON named.oid = indexrelid AND NOT named.relispartition
    WHERE NOT indisvalid OR NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')

    UNION ALL SELECT relation, 'statistics ' || quote_ident(stxname), pg_get_statisticsobjdef(extended.oid), 5, 0,
        extended.tableoid, extended.oid
    FROM ours JOIN pg_statistic_ext AS extended ON stxrelid = ours.oid

    UNION ALL SELECT relation, 'rule ' || quote_ident(rulename), concat_ws(' ', rtrim(pg_get_ruledef(rule.oid), ';'),
            CASE WHEN ev_enabled <> 'O' THEN '/* DISABLED */' END), 6, 0, rule.tableoid, rule.oid
    FROM ours JOIN pg_rewrite AS rule ON ev_class = ours.oid AND rulename <> '_RETURN'

    UNION ALL SELECT relation, 'trigger ' || quote_ident(tgname), concat_ws('; ',
            CASE WHEN tgparentid = 0 THEN pg_get_triggerdef(made.oid) END,
            'ALTER TABLE ' || relation || CASE tgenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA'
                WHEN 'A' THEN ' ENABLE ALWAYS' END || ' TRIGGER ' || quote_ident(tgname)), 7, 0, made.tableoid, made.oid
    FROM ours JOIN pg_trigger AS made ON tgrelid = ours.oid AND NOT tgisinternal
    WHERE tgparentid = 0 OR tgenabled <> 'O'

    UNION ALL SELECT relation, 'replica identity', CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
        ELSE (SELECT format('USING INDEX %I', named.relname) FROM pg_index JOIN pg_class AS named
            ON named.oid = indexrelid WHERE indrelid = ours.oid AND indisreplident) END, 8, 0, NULL, NULL
    FROM ours WHERE relkind IN ('r', 'p') AND relreplident <> 'd'

    UNION ALL SELECT relation, 'row security', concat_ws(', ',
        CASE WHEN relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END,
        CASE WHEN relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END), 9, 0, NULL, NULL
    FROM ours WHERE relrowsecurity OR relforcerowsecurity

    UNION ALL SELECT relation, 'missing row security', 'DISABLE ROW LEVEL SECURITY', 9, 0, NULL, NULL
    FROM ours JOIN pg_inherits ON inhrelid = ours.oid JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE ours.relispartition AND parent.relrowsecurity AND NOT ours.relrowsecurity
        AND pg_get_expr(ours.relpartbound, ours.oid) <> 'DEFAULT'

    UNION ALL SELECT relation, 'policy ' || quote_ident(polname), concat_ws(' ',
        CASE WHEN NOT polpermissive THEN 'AS RESTRICTIVE' END, 'FOR ' || CASE polcmd WHEN 'r' THEN 'SELECT'
            WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        'TO ' || (SELECT string_agg(role, ', ' ORDER BY role COLLATE "C") FROM roles WHERE id = ANY(polroles)),
        'USING (' || pg_get_expr(polqual, polrelid) || ')',
        'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')'), 10, 0, pg_policy.tableoid, pg_policy.oid
    FROM ours JOIN pg_policy ON polrelid = ours.oid

    UNION ALL SELECT relation, concat(way, role, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END),
        string_agg(privilege_type || part, ', ' ORDER BY
            array_position('{SELECT,INSERT,UPDATE,DELETE}', privilege_type), privilege_type, part), 11, 0, NULL, NULL
    FROM granted JOIN roles ON id = grantee GROUP BY relation, way, role, is_grantable

    UNION ALL SELECT relation, 'owner', owner::regrole::text, 12, 0, NULL, NULL  -- where it is not that of most objects
    FROM owned WHERE kind <> 'c' AND owner <> (SELECT mode() WITHIN GROUP (ORDER BY owner) FROM owned)

    UNION ALL SELECT coalesce(schema, (SELECT min(schema) FROM schemas)),
        format('default grant%s to %s on %s of %s', CASE WHEN schema IS NULL THEN ' everywhere' END, who, kind, owner),
        format('ALTER DEFAULT PRIVILEGES FOR ROLE %s %sGRANT %s ON %s TO %s', owner, 'IN SCHEMA ' || schema || ' ',
            string_agg(privilege_type, ', ' ORDER BY privilege_type), kind, who), 13, 0, NULL, NULL
    FROM pg_default_acl LEFT JOIN schemas ON schemas.oid = defaclnamespace, aclexplode(defaclacl)
        JOIN roles ON id = grantee, LATERAL (SELECT defaclrole::regrole, CASE defaclobjtype WHEN 'r' THEN 'TABLES'
            WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END,
            concat(role, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)) AS named (owner, kind, who)
    WHERE schema IS NOT NULL OR defaclnamespace = 0 AND defaclrole IN (SELECT owner FROM owned)
        AND grantee <> defaclrole AND (grantee <> 0 OR defaclobjtype NOT IN ('f', 'T'))  -- which they have anyway
    GROUP BY schema, owner, kind, who

    UNION ALL SELECT DISTINCT schema, concat_ws(' ', what, identity), '', 13, 0, NULL::oid, NULL::oid
    FROM pg_depend JOIN schemas ON refclassid = 'pg_namespace'::regclass AND refobjid = schemas.oid
        OR classid = ANY('{pg_cast,pg_transform}'::regclass[]) AND refclassid = 'pg_type'::regclass
            AND refobjid IN (SELECT oid FROM pg_type WHERE typnamespace = schemas.oid),
        pg_identify_object(classid, objid, 0) AS named (what, place, called)
    WHERE classid::regclass::text !~ '^pg_(class|proc|statistic_ext|default_acl|extension|publication_namespace)$'
        AND (classid, objid) NOT IN (TABLE parts)
        AND (what <> 'type' OR objid IN (SELECT oid FROM pg_type WHERE typtype IN ('b', 'p')))

    UNION ALL SELECT DISTINCT relation, way || other::regclass, '', 13, 0, NULL::oid, NULL::oid
    FROM ours JOIN (SELECT confrelid, 'reference from ', conrelid FROM pg_constraint WHERE conparentid = 0
            UNION SELECT inhparent, 'child ', inhrelid FROM pg_inherits) AS link (to_it, way, other) ON to_it = ours.oid
        JOIN pg_class AS far ON far.oid = other AND far.relnamespace <> ours.relnamespace AND far.relpersistence <> 't'
)
SELECT relation, name, coalesce(definition, '') AS definition, rank, position FROM items
UNION ALL SELECT relation, 'comment on ' || name, quote_literal(description), 14, position
FROM items JOIN pg_description ON objoid = object AND classoid = class AND objsubid = 0
UNION ALL SELECT relation, 'comment on column ' || quote_ident(attname), quote_literal(said), 14, attnum
FROM ours JOIN pg_attribute ON attrelid = ours.oid, col_description(ours.oid, attnum) AS said WHERE said IS NOT NULL
