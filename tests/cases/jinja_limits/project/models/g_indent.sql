{{ 'a' | indent(9999999999, true) }}
