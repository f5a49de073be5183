select double(21) as n
