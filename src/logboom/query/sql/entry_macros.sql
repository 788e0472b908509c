-- Time, level, message and sender of an entry, as logboom.formats has them. `e` is the entry's JSON.
-- ${…} are values of logboom.formats, see entry_macros.py. The cheap case of a CASE stands first: an expression is
-- computed only for the rows that reach it. `list_transform([x], lambda y: …)[1]` computes x once; lambdas within
-- lambdas are slow to bind.

CREATE TYPE level_word AS ENUM (${level_words});

-- Levels: formats/levels.py, formats/entry_level.py

CREATE MACRO word_place(w) AS
  CASE WHEN try_cast(w AS level_word) IS NOT NULL THEN enum_code(try_cast(w AS level_word)) + 1 END;

CREATE MACRO word_level(w) AS [${level_names}][word_place(upper(trim(w)))];

CREATE MACRO level_severity(l) AS [${level_severities}][word_place(l)];

CREATE MACRO level_number(w) AS
  CASE WHEN regexp_full_match(w, '\s*[0-9]{1,9}(?:\.0{1,9})?\s*')
    THEN cast(try_cast(trim(w) AS DOUBLE) AS BIGINT) END;

CREATE MACRO scale_level(n) AS
  CASE WHEN n IS NULL OR n < 1 OR n > 24 THEN NULL
    WHEN n < 5 THEN 'TRACE' WHEN n < 9 THEN 'DEBUG' WHEN n < 13 THEN 'INFO'
    WHEN n < 17 THEN 'WARNING' WHEN n < 21 THEN 'ERROR' ELSE 'CRITICAL' END;

CREATE MACRO level_step(w) AS
  list_transform([cast(regexp_extract(w, '[0-9]+') AS INTEGER)], lambda n:
    CASE WHEN contains(w, '-') THEN -n WHEN contains(w, '+') THEN n ELSE n - 1 END)[1];

CREATE MACRO stepped_level(w) AS
  CASE WHEN regexp_full_match(w, '[A-Z]+[+-]?[0-9]{1,2}')
    THEN scale_level(greatest(1, least(24, level_severity(regexp_extract(w, '[A-Z]+')) + level_step(w)))) END;

CREATE MACRO known_level(w) AS coalesce(word_level(w), stepped_level(upper(trim(w))));

CREATE MACRO numbered_level(n) AS
  CASE WHEN n < 8 THEN [${syslog_names}][n + 1] WHEN n < 10 THEN cast(n AS VARCHAR)
    WHEN n < 20 THEN 'DEBUG' WHEN n < 30 THEN 'INFO' WHEN n < 40 THEN 'WARNING' WHEN n < 50 THEN 'ERROR'
    ELSE 'CRITICAL' END;

CREATE MACRO name_in(v) AS
  CASE WHEN v[1] = '{' AND json_valid(v)
    THEN coalesce(json_extract_string(v, '/name'), json_extract_string(v, '/level'), json_extract_string(v, '/label'), v)
    ELSE v END;

CREATE MACRO level_values(e) AS
  list_transform(list_filter(json_extract_string(e, [${level_keys}]), lambda v: v != ''), lambda v: name_in(v));

CREATE MACRO severity_level(e) AS
  scale_level(list_filter(list_transform(json_extract_string(e, [${severity_keys}]), lambda v: level_number(v)),
    lambda n: n IS NOT NULL)[1]);

CREATE MACRO has_all(e, keys) AS len(list_filter(json_extract_string(e, keys), lambda v: v IS NOT NULL)) = len(keys);

CREATE MACRO is_pino(e) AS
  len(list_filter(json_extract_string(e, [${python_keys}]), lambda v: v IS NOT NULL)) = 0
  AND (has_all(e, ['/pid', '/hostname']) OR has_all(e, ['/msg', '/time']));

CREATE MACRO level_by_number(e, n) AS
  coalesce(
    list_filter(list_transform(level_values(e), lambda v: CASE WHEN level_number(v) IS NULL THEN known_level(v) END),
      lambda l: l IS NOT NULL)[1],
    severity_level(e),
    CASE WHEN n IN (10, 20, 30, 40, 50, 60) AND is_pino(e) THEN [${pino_names}][n // 10] END,
    numbered_level(n));

-- Parts of all keys of a level but `type`, and of an escaped letter.
CREATE MACRO has_level_key(e) AS
  contains(cast(e AS VARCHAR), 'evel') OR contains(cast(e AS VARCHAR), 'everity')
  OR contains(cast(e AS VARCHAR), '"lvl"') OR contains(cast(e AS VARCHAR), '"@l"')
  OR contains(cast(e AS VARCHAR), '\u00');

CREATE MACRO first_level(e) AS
  CASE WHEN has_level_key(e) THEN coalesce(level_values(e)[1], json_extract_string(e, '/log/level')) END;

CREATE MACRO level_without(e) AS
  CASE WHEN has_level_key(e) OR contains(cast(e AS VARCHAR), '"type"') THEN
    coalesce(severity_level(e),
      CASE WHEN len(json_extract_string(e, '/type')) > 1 THEN word_level(json_extract_string(e, '/type')) END) END;

-- word: word_level of the key `level`; f: first_level; n: level_number of f.
CREATE MACRO entry_level(e, word, f, n) AS
  CASE WHEN word IS NOT NULL THEN word
    WHEN f IS NULL THEN level_without(e)
    WHEN n IS NOT NULL THEN level_by_number(e, n)
    ELSE nullif(coalesce(known_level(f), severity_level(e), upper(trim(f))), '') END;

-- The text of a JSON string, of which t is the inside.
CREATE MACRO json_inside(t) AS CASE WHEN contains(t, '\') THEN json_extract_string('"' || t || '"', '$') ELSE t END;

-- Times: formats/times.py, formats/entry_time.py

CREATE MACRO epoch_us(n) AS
  CASE WHEN n >= 315532800 AND n < 7258118400 THEN n * 1000000
    WHEN n >= 315532800000 AND n < 7258118400000 THEN n * 1000
    WHEN n >= 315532800000000 AND n < 7258118400000000 THEN n
    WHEN n >= 315532800000000000 AND n < 7258118400000000000 THEN n // 1000 END;

CREATE MACRO epoch_scale(x) AS
  CASE WHEN x < 315532800 THEN NULL WHEN x < 7258118400 THEN 1.0 WHEN x < 315532800000 THEN NULL
    WHEN x < 7258118400000 THEN 1e3 WHEN x < 315532800000000 THEN NULL WHEN x < 7258118400000000 THEN 1e6
    WHEN x < 315532800000000000 THEN NULL WHEN x < 7258118400000000000 THEN 1e9 END;

CREATE MACRO written_time(v) AS
  CASE
    WHEN regexp_full_match(v, '\s*\d{4}-\d\d-\d\d(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?\s*')
      THEN try_cast(regexp_replace(trim(v), '(\.\d{6})\d+', '\1') AS TIMESTAMPTZ)
    WHEN regexp_full_match(v, '\s*(?:19|20)\d{6}(?:\d{6})?\s*')
      THEN try_cast(try_strptime(trim(v), ['%Y%m%d', '%Y%m%d%H%M%S']) AS TIMESTAMPTZ)
    WHEN regexp_full_match(v, '\s*\+?[0-9]{1,19}\s*')
      THEN make_timestamptz(epoch_us(try_cast(trim(v) AS BIGINT)))
    WHEN regexp_full_match(v, '\s*\+?[0-9]{1,25}(?:\.[0-9]{0,25})?(?:[eE][+-]?[0-9]{1,2})?\s*')
      THEN make_timestamptz(list_transform([try_cast(trim(v) AS DOUBLE)], lambda x:
        cast(round_even(x / epoch_scale(x) * 1e6, 0) AS BIGINT))[1])
  END;

CREATE MACRO sent_time(e, arrived) AS
  list_filter(list_transform(json_extract_string(e, [${time_keys}]), lambda v: written_time(v)),
    lambda t: t >= TIMESTAMPTZ '${earliest_time}-01-01 00:00:00+00' AND t <= arrived + INTERVAL ${ahead_s} SECONDS)[1];

CREATE MACRO entry_time(e, arrived) AS coalesce(sent_time(e, arrived), arrived);

-- Times by uptime: journal/device_clock.py; `starts` as in device_times.py.

CREATE MACRO whole_number(j, key) AS
  CASE WHEN json_type(j, key) IN ('UBIGINT', 'BIGINT') THEN try_cast(json_extract_string(j, key) AS BIGINT) END;

CREATE MACRO start_at(starts, uptime) AS
  CASE WHEN len(starts) = 1 THEN starts[1] ELSE list_filter(starts, lambda s: s.from_ms <= uptime)[-1] END;

CREATE MACRO lateness(late, by_arrival) AS
  greatest(CASE WHEN late >= ${wrap_us} THEN late % ${wrap_us} ELSE late END,
    CASE WHEN by_arrival THEN 0 ELSE -${ahead_us} END);

CREATE MACRO start_time(s, uptime, arrived) AS
  arrived - to_microseconds(lateness(epoch_ns(arrived) // 1000 - s.start_us - uptime * 1000, s.by_arrival));

CREATE MACRO uptime_time(starts, uptime, arrived) AS
  CASE WHEN starts IS NOT NULL AND uptime BETWEEN 0 AND ${uptime_ms_max} THEN
    list_filter([start_time(start_at(starts, uptime), uptime, arrived)],
      lambda t: t >= TIMESTAMPTZ '${earliest_time}-01-01 00:00:00+00')[1] END;

-- Messages and senders: formats/records.py

CREATE MACRO message_text(v) AS
  CASE WHEN v[1] != '[' THEN v
    WHEN try_cast(v AS JSON) IS NULL THEN v
    WHEN json_type(v) = 'ARRAY' AND len(list_filter(json_extract(v, '$[*]'), lambda x: json_type(x) != 'VARCHAR')) = 0
      THEN array_to_string(json_extract_string(v, '$[*]'), chr(10))
    ELSE v END;

CREATE MACRO text_at(e, key) AS
  CASE WHEN json_type(e, key) = 'VARCHAR' THEN nullif(json_extract_string(e, key), '') END;

CREATE MACRO entry_message(e) AS
  CASE WHEN json_extract_string(e, '/msg') IS NOT NULL THEN message_text(json_extract_string(e, '/msg'))
    WHEN json_extract_string(e, '/message') IS NOT NULL THEN message_text(json_extract_string(e, '/message'))
    ELSE coalesce(${texts_at}, cast(json(e) AS VARCHAR)) END;

CREATE MACRO entry_sender(e, peer) AS
  coalesce(
    left(list_filter(json_extract_string(e, [${sender_keys}]),
      lambda v: v != '' AND v[1] NOT IN ('{', '[') AND v NOT IN ('true', 'false'))[1], ${sender_chars_max}),
    CASE WHEN len(list_filter(json_extract_string(e, ['/temp', '/rh', '/lux']), lambda v: try_cast(v AS DOUBLE) IS NOT NULL))
      = 3 THEN nullif(json_extract_string(e, '/id'), '') END,
    peer);
