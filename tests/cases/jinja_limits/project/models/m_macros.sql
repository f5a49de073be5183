select {{ outer() }}
