select {{ api.Relation.create(database='other', schema='s', identifier='i') }}
