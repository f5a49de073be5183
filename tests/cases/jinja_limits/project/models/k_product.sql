{{ modules.itertools.product(range(100000), range(100000)) | list | length }}
