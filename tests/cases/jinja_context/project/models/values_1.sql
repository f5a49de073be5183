{% set l = [] %}{% for i in range(3) %}{% do l.append(i * 2) %}{% endfor %}
{% set d = {'a': 1} %}{% do d.update({'b': [1]}) %}{% set _ = d.pop('a') %}
{% set dt = modules.datetime.datetime(2024, 1, 31, 5, 6) %}
{% set sp = modules.datetime.timedelta(days=3, hours=2) %}
select '{{ l | join(',') }}' as l, '{{ d | tojson }}' as d, '{{ "%s-%03d" % ("a", 7) }}' as f, '{{ "%.2f" % 3.14159 }}' as g, '{{ "{}/{}".format(1, 'q') }}' as h,
 '{{ dt + sp }}' as t1, '{{ (dt - sp).strftime("%Y-%m-%d %H:%M:%S.%f %j %A") }}' as t2, '{{ (dt - modules.datetime.datetime(2024,1,1)).days }}' as t3,
 '{{ dt.isoformat() }}' as t4, '{{ dt.date() }}' as t5, {{ 7 % 3 }} as m, '{{ va(1) }}' as v1, '{{ va(1, 3, 4, 5, z=6) }}' as v2,
 '{% call wrap('e') %}body{% endcall %}' as w, '{{ modules.re.sub("(a)(b)", "\\2\\1", "xaby") }}' as r1, '{{ modules.re.match("a(.)", "abc").group(1) }}' as r2,
 {{ modules.re.search("z", "abc") is none }} as r4,
 '{{ dt < modules.datetime.datetime(2025,1,1) }}' as cmp, '{{ modules.datetime.date(2024,2,29).strftime("%d/%m/%y") }}' as d2, '{{ sp }}' as sp, '{{ sp.total_seconds() }}' as ts,
 '{{ zip([1,2],[3,4]) | list }}' as z, '{{ fromyaml("a: 1")["a"] }}' as y, '{{ local_md5("x") }}' as md, '{{ [1,2] + [3] }}' as li, '{{ modules.datetime.datetime.strptime("2024-03-01", "%Y-%m-%d") }}' as sp2,
 '{{ toyaml({'a': [1, 'x'], 'b': {'c': true}}) }}' as ty, '{{ 1 == 1 }}' as tr, '{{ none }}' as nn, '{{ modules.pytz.timezone("Europe/Paris").localize(dt) }}' as pz, '{{ 10 / 4 }}' as dv, '{{ 10 // 4 }}' as iv, '{{ 2 ** 3 }}' as pw, '{{ 1.0 }}' as fl
