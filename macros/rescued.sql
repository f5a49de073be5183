{#
    Values that did not fit their column are stored in `_elt_rescued`, a JSON object from path to canonical Extended
    JSON. These macros return a field's value from its column or, if it is NULL, parsed from `_elt_rescued`. `path` is
    the field's path in the document, such as `employment.monthly_income`, and also the SQL that reads its column. If
    the path is a reserved word of SQL, `column` is the quoted name of the column.
#}

{#- The rescued value as text; a number is unwrapped: {"$numberInt": "5"} becomes 5. -#}
{% macro rescued(path) -%}
regexp_replace(_elt_rescued ->> '$."{{ path }}"', '^\{"\$number\w+":\s*"([^"]*)"\}$', '\1')
{%- endmacro %}

{#- An amount of money, also with thousands separators: 12,500.00 -#}
{% macro amount(path) -%}
coalesce({{ path }}, try_cast(replace({{ rescued(path) }}, ',', '') as decimal(38, 2)))
{%- endmacro %}

{% macro whole_number(path) -%}
coalesce({{ path }}, try_cast({{ rescued(path) }} as bigint))
{%- endmacro %}

{#- A time in UTC, also from text: ISO 8601, or with the day first, such as 31/12/2024. -#}
{% macro moment(path, column=none) -%}
coalesce(
        {{ column or path }},
        try_cast({{ rescued(path) }} as timestamptz),
        try_strptime({{ rescued(path) }}, '%d/%m/%Y')::timestamptz
    )
{%- endmacro %}

{#-
    The paths of a document's rescued values that no macro above could parse. `parsed` is a list of pairs: a path, and
    the column with its value if it could be parsed.
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
