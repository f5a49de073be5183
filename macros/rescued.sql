{#
    Values that did not fit their column stand in `_elt_rescued`, a JSON object from path to canonical Extended JSON.
    These macros give a field's value from its column or, failing that, parsed from there. `path` is the field's path
    in the document, `employment.monthly_income`, and at the same time the SQL that reads its column; where that is a
    word of SQL's own, `column` gives it in quotes.
#}

{#- The rescued value as text; a number loses its wrapping, {"$numberInt": "5"} is 5. -#}
{% macro rescued(path) -%}
regexp_replace(_elt_rescued ->> '$."{{ path }}"', '^\{"\$number\w+":\s*"([^"]*)"\}$', '\1')
{%- endmacro %}

{#- An amount of money, also as a form shows it: 12,500.00 -#}
{% macro amount(path) -%}
coalesce({{ path }}, try_cast(replace({{ rescued(path) }}, ',', '') as decimal(38, 2)))
{%- endmacro %}

{% macro whole_number(path) -%}
coalesce({{ path }}, try_cast({{ rescued(path) }} as bigint))
{%- endmacro %}

{#- A moment in UTC, also as text: ISO 8601, or day first as 31/12/2024. -#}
{% macro moment(path, column=none) -%}
coalesce(
        {{ column or path }},
        try_cast({{ rescued(path) }} as timestamptz),
        try_strptime({{ rescued(path) }}, '%d/%m/%Y')::timestamptz
    )
{%- endmacro %}

{#-
    The paths of a document's rescued values that nothing above could parse. `parsed` lists pairs: a path, and the
    column that has its value if it could be parsed.
-#}
{% macro unparsed(parsed) -%}
[
        path for path in coalesce(json_keys(_elt_rescued), [])
        if not case path
            {%- for path, column in parsed %}
            when '{{ path }}' then {{ column }} is not null
            {%- endfor %}
            else false
        end
    ]
{%- endmacro %}
