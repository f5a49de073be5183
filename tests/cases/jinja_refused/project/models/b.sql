{% set l = 'a,b'.split(',') %}{% do l.append('c') %}select 1
