select {{ debug() }}
