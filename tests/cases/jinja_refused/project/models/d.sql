select {{ modules.re.match('(?=a)', 'a') }}
