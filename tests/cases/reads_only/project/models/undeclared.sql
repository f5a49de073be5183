select * from read_csv('private.csv')
