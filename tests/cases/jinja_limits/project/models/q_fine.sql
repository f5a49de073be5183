select {{ 1 + 2 * 3 }} as a, '{{ 'x' ~ 1 ~ '%s' % 'y' }}' as b, {{ [1] + [2] | list }} as c, '{{ 'a\nb' | indent(2) }}' as d
