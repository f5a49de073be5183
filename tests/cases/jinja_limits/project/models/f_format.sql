select '{{ '{:>99999999999}'.format('a') }}'
