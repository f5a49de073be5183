select {{ exceptions.raise_compiler_error('not this way') }}
